import type { VNode } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { ApiStream, ApiViewer } from "../../http/api/shapes.ts";
import { formatCount, formatDuration, formatMs, formatNumber, formatShare } from "../model/format.ts";
import { type ViewerOrder, type ViewerRow, type ViewerView, viewerRow, viewersPage } from "../model/viewer-rows.ts";
import { Confirm } from "./confirm.tsx";
import { useConsole } from "./console-context.ts";

/** How often the list is read, in ms: reports come every few seconds, and a crowd's list is a megabyte. */
const readMs = 2_000;

const columns: readonly { readonly order: ViewerOrder; readonly label: string; readonly isWide: boolean }[] = [
  { order: "address", label: "Mapped address", isWide: false },
  { order: "loss", label: "Loss", isWide: false },
  { order: "rtt", label: "Round trip", isWide: false },
  { order: "packets", label: "Packets", isWide: true },
  { order: "watching", label: "Watching for", isWide: true },
];

/** Who watches, a page at a time. */
export function Viewers({ stream }: { readonly stream: ApiStream }): VNode {
  const { client, say } = useConsole();
  const [viewers, setViewers] = useState<readonly ApiViewer[]>([]);
  const [view, setView] = useState<ViewerView>({ order: "loss", filter: "", page: 0 });
  const [leaving, setLeaving] = useState<ViewerRow>();
  const { name } = stream;

  useEffect(() => {
    let isReading = false;
    const read = async (): Promise<void> => {
      if (document.hidden || isReading) return;
      isReading = true;
      // What is wrong is told by the session, which asks as well.
      await client.listViewers(name).then(setViewers, () => {});
      isReading = false;
    };
    void read();
    const timer = setInterval(() => void read(), readMs);
    return () => clearInterval(timer);
  }, [client, name]);

  async function kick({ id, host }: ViewerRow): Promise<void> {
    await client.kickViewer(name, id);
    setViewers(await client.listViewers(name));
    say(`Kicked: ${host}`);
  }

  const lines = useMemo(() => viewers.map(viewerRow), [viewers]);
  const { rows, found, page, pages } = viewersPage(lines, view);
  return (
    <section class="card" aria-labelledby="viewers">
      <div class="title">
        <h2 id="viewers">
          Viewers <span class="count">{formatCount(viewers.length)}</span>
        </h2>
        <div class="search">
          <label for="viewer-filter">Find</label>
          <input
            id="viewer-filter"
            type="search"
            placeholder="Address or id"
            value={view.filter}
            onInput={({ currentTarget }) => setView({ ...view, filter: currentTarget.value, page: 0 })}
          />
        </div>
      </div>
      {viewers.length === 0 ? (
        <p class="quiet">Nobody watches.</p>
      ) : (
        <table class="viewers">
          <caption class="hidden">Viewers of {name}</caption>
          <thead>
            <tr>
              {columns.map(({ order, label, isWide }) => (
                <th
                  key={order}
                  scope="col"
                  class={isWide ? "wide-only" : ""}
                  aria-sort={view.order !== order ? "none" : order === "address" ? "ascending" : "descending"}
                >
                  <button type="button" class="sort" onClick={() => setView({ ...view, order, page: 0 })}>
                    {label}
                  </button>
                </th>
              ))}
              <th scope="col">
                <span class="hidden">Kick</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.id} row={row} onKick={() => setLeaving(row)} />
            ))}
          </tbody>
        </table>
      )}
      {viewers.length > 0 && (
        <nav class="pages" aria-label="Pages of viewers">
          <button type="button" disabled={page === 0} onClick={() => setView({ ...view, page: page - 1 })}>
            Previous
          </button>
          <span class="small">
            {formatNumber(found, "viewer", "viewers")}, page {page + 1} of {pages}
          </span>
          <button type="button" disabled={page >= pages - 1} onClick={() => setView({ ...view, page: page + 1 })}>
            Next
          </button>
        </nav>
      )}
      {leaving !== undefined && (
        <Confirm
          title={`Kick ${leaving.host}?`}
          action="Kick"
          onConfirm={() => kick(leaving)}
          onClose={() => setLeaving(undefined)}
        >
          <p>It is cut off for a minute. Only a new view key keeps somebody out for good.</p>
        </Confirm>
      )}
    </section>
  );
}

/** How somebody watches, where it is not by a key and `punchcast watch`. */
const ways: Readonly<Record<ViewerRow["by"], string>> = { key: "", bare: "without a key", browser: "browser" };

function Row({ row, onKick }: { readonly row: ViewerRow; readonly onKick: () => void }): VNode {
  const { host, ports, loss, rttMs, packets, drops, watchingMs, by } = row;
  const isBad = loss !== undefined && loss >= 0.02;
  return (
    <tr>
      <th scope="row">
        <span class="address">{host === "" ? "connecting" : host}</span>
        <span class="quiet small">
          {[ports.map((port) => `:${port}`).join(" "), ways[by]].filter((part) => part !== "").join(" · ")}
          <span class="narrow-only"> {formatDuration(watchingMs)}</span>
        </span>
      </th>
      <td class={isBad ? "bad" : ""}>{formatShare(loss)}</td>
      <td>{formatMs(rttMs)}</td>
      <td class="wide-only">
        {formatCount(packets)}
        {drops > 0 && <span class="bad small"> {formatCount(drops)} not sent</span>}
      </td>
      <td class="wide-only">{formatDuration(watchingMs)}</td>
      <td>
        <button type="button" class="small" aria-label={`Kick ${host}:${ports[0] ?? ""}`} onClick={onKick}>
          Kick
        </button>
      </td>
    </tr>
  );
}
