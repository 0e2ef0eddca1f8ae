import type { ApiEvent, ApiStream, RelayInfo } from "../../http/api/shapes.ts";
import { addFigures, type History, startHistory } from "./history.ts";
import type { Problem } from "./problem.ts";

/** Something that happened, as the list of it shows it. */
export interface Activity {
  /** Counts up, to tell them apart. */
  readonly id: number;
  /** ISO 8601. */
  readonly time: string;
  readonly stream: string | undefined;
  readonly text: string;
}

/** All that the console knows. */
export interface ConsoleState {
  /** `lost`: was live, and is tried again. */
  readonly link: "connecting" | "live" | "lost";
  readonly problem: Problem | undefined;
  readonly relay: RelayInfo | undefined;
  readonly streams: readonly ApiStream[];
  readonly histories: ReadonlyMap<string, History>;
  /** Newest first. */
  readonly activity: readonly Activity[];
}

/** What changes it. */
export type Action =
  | { readonly type: "read"; readonly relay: RelayInfo; readonly streams: readonly ApiStream[] }
  | { readonly type: "event"; readonly event: ApiEvent & { readonly time: string } }
  | { readonly type: "failed"; readonly problem: Problem };

/** Activities kept: what a person scrolls through. */
const activityMax = 50;

/** Before the first answer. */
export const initialState: ConsoleState = {
  link: "connecting",
  problem: undefined,
  relay: undefined,
  streams: [],
  histories: new Map(),
  activity: [],
};

/** The state after `action`. */
export function reduce(state: ConsoleState, action: Action): ConsoleState {
  switch (action.type) {
    case "read": {
      const { relay, streams } = action;
      const histories = new Map(
        streams.map(({ name, stats }) => [name, state.histories.get(name) ?? startHistory(stats, relay.uptimeMs)]),
      );
      return { ...state, link: "live", problem: undefined, relay, streams, histories };
    }
    case "failed":
      return { ...state, link: state.relay === undefined ? "connecting" : "lost", problem: action.problem };
    case "event":
      return onEvent(state, action.event);
  }
}

function onEvent(state: ConsoleState, event: ApiEvent & { readonly time: string }): ConsoleState {
  if (event.event !== "stats") {
    const text = describe(event);
    if (text === undefined) return state;
    const stream = "stream" in event ? event.stream : undefined;
    const id = (state.activity[0]?.id ?? 0) + 1;
    const activity = [{ id, time: event.time, stream, text }, ...state.activity.slice(0, activityMax - 1)];
    return { ...state, activity };
  }
  const { uptimeMs, refused, punches, sendErrors } = event;
  const figures = new Map(event.streams.map((each) => [each.name, each]));
  const histories = new Map(state.histories);
  const streams = state.streams.map((stream) => {
    const stats = figures.get(stream.name);
    if (stats === undefined) return stream;
    const history = histories.get(stream.name) ?? startHistory(stats, uptimeMs);
    histories.set(stream.name, addFigures(history, stats, uptimeMs, Date.parse(event.time)));
    return { ...stream, stats };
  });
  const relay = state.relay && { ...state.relay, uptimeMs, refused, punches, sendErrors };
  return { ...state, streams, histories, relay };
}

/** An event in words; `undefined` for what says nothing by itself, such as the holes of one viewer beyond its first. */
function describe(event: ApiEvent): string | undefined {
  switch (event.event) {
    case "publisher":
      if (event.state === "idle") return `The publisher at ${event.address} stopped sending`;
      if (event.component !== 0) return undefined;
      return event.state === "live"
        ? `A publisher began to send from ${event.address}`
        : `The publisher moved to ${event.address}`;
    case "publisher-restarted":
      return event.component === 0 ? "The publisher began anew" : undefined;
    case "hole-opened":
      return event.component === 0 ? `A viewer came, at ${event.mapped}` : undefined;
    case "hole-moved":
      return event.component === 0 ? `A viewer's NAT moved it from ${event.previous} to ${event.mapped}` : undefined;
    case "hole-closed":
      return event.component === 0 ? `The viewer at ${event.mapped} ${goodbyes[event.reason]}` : undefined;
    case "stream-added":
      return "The stream was created";
    case "stream-changed":
      return "The stream was changed";
    case "stream-removed":
      return "The stream was deleted";
    case "warning":
      return event.message;
    default:
      return undefined;
  }
}

const goodbyes: Readonly<Record<(ApiEvent & { readonly event: "hole-closed" })["reason"], string>> = {
  left: "left",
  expired: "was not heard of for 30 s",
  replaced: "was replaced: its NAT gave the address to another",
  "taken-over": "gave way to a newer one",
  kicked: "was kicked",
  "stream-removed": "lost the stream, which was deleted or opened anew",
  "relay-stopped": "was left by the relay, which stopped",
};
