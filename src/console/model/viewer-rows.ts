import type { ApiViewer } from "../../http/api/shapes.ts";

/** One watching party as a line of the list. */
export interface ViewerRow {
  readonly id: string;
  /** Its NAT's address, without ports. */
  readonly host: string;
  /** The mapped ports of its holes, in the order of components; a browser has one for all. */
  readonly ports: readonly string[];
  readonly by: ApiViewer["by"];
  readonly watchingMs: number;
  readonly packets: number;
  /** Packets that the relay could not send to it. */
  readonly drops: number;
  /** 0-1, of its worst track; `undefined` before its first report. */
  readonly loss: number | undefined;
  readonly rttMs: number | undefined;
  readonly jitterMs: number | undefined;
}

/** What the list can be sorted by. */
export type ViewerOrder = "loss" | "rtt" | "packets" | "watching" | "address";

/** How the list is looked at. */
export interface ViewerView {
  readonly order: ViewerOrder;
  /** Part of an address or of an id; empty: all. */
  readonly filter: string;
  /** From 0 on. */
  readonly page: number;
}

/** One page of the list. */
export interface ViewerPage {
  readonly rows: readonly ViewerRow[];
  /** How many fit the filter. */
  readonly found: number;
  readonly page: number;
  readonly pages: number;
}

/** Lines of a page: not more, so that a crowd costs the browser no more than a handful; not less, or a class does not fit. */
export const rowsPerPage = 25;

/** A viewer as a line. */
export function viewerRow({ id, by, watchingMs, holes }: ApiViewer): ViewerRow {
  const addresses = holes.map(({ mapped }) => splitAddress(mapped));
  const worst = (values: readonly (number | undefined)[]): number | undefined => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? undefined : Math.max(...known);
  };
  return {
    ...{ id, by, watchingMs },
    host: addresses[0]?.host ?? "",
    ports: [...new Set(addresses.map(({ port }) => port))],
    packets: holes.reduce((sum, { sent }) => sum + sent.packets, 0),
    drops: holes.reduce((sum, { sent }) => sum + sent.drops, 0),
    loss: worst(holes.map(({ report }) => report?.lossFraction)),
    rttMs: worst(holes.map(({ report }) => report?.rttMs)),
    jitterMs: worst(holes.map(({ report }) => report?.jitterMs)),
  };
}

function splitAddress(mapped: string): { readonly host: string; readonly port: string } {
  const at = mapped.lastIndexOf(":");
  return { host: mapped.slice(0, at), port: mapped.slice(at + 1) };
}

/** The part of the list that is looked at. A page that is no longer there is the last one. */
export function viewersPage(rows: readonly ViewerRow[], { order, filter, page }: ViewerView): ViewerPage {
  const wanted = filter.trim().toLowerCase();
  const fitting = rows.filter(
    ({ id, host, ports }) =>
      wanted === "" || id.includes(wanted) || ports.some((port) => `${host}:${port}`.includes(wanted)),
  );
  const sorted = fitting.toSorted(comparisons[order]);
  const pages = Math.max(1, Math.ceil(sorted.length / rowsPerPage));
  const shown = Math.min(Math.max(0, page), pages - 1);
  const from = shown * rowsPerPage;
  return { rows: sorted.slice(from, from + rowsPerPage), found: sorted.length, page: shown, pages };
}

/** Worst, most and longest first; unknown last. */
const comparisons: Readonly<Record<ViewerOrder, (a: ViewerRow, b: ViewerRow) => number>> = {
  loss: (a, b) => (b.loss ?? -1) - (a.loss ?? -1),
  rtt: (a, b) => (b.rttMs ?? -1) - (a.rttMs ?? -1),
  packets: (a, b) => b.packets - a.packets,
  watching: (a, b) => b.watchingMs - a.watchingMs,
  address: (a, b) => a.host.localeCompare(b.host, "en", { numeric: true }) || (a.id < b.id ? -1 : 1),
};
