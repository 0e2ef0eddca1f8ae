import { useEffect, useMemo, useReducer } from "preact/hooks";
import { createRelayClient, type RelayClient } from "../../http/client/relay-client.ts";
import { type Problem, problemFrom } from "../model/problem.ts";
import { type Action, type ConsoleState, initialState, reduce } from "../model/state.ts";

/** The relay tells its figures every second: silence for so long means that it, or the way to it, is gone. */
const silenceMs = 6_000;

/** How soon it is tried again, in ms: at once at first, then as often as costs nobody anything. */
const retryMs = [500, 1_000, 2_000, 3_000];

/** How often the list is read anew, for what figures do not tell, such as how many watch. */
const refreshMs = 3_000;

/** What of a relay can be seen and done with one token. */
export interface Session {
  readonly state: ConsoleState;
  readonly client: RelayClient;
  /** Reads everything anew, after a change. */
  refresh(): Promise<void>;
}

/** Speaks with the relay for as long as the token is there. `onRefused`: it will not do, whatever is tried. */
export function useSession(token: string, onRefused: (problem: Problem) => void): Session {
  const [state, dispatch] = useReducer(reduce, initialState);
  const client = useMemo(() => createRelayClient({ url: location.origin, token }), [token]);
  const refresh = useMemo(() => async () => dispatch(await read(client)), [client]);

  useEffect(() => {
    const ending = new AbortController();
    void follow(client, ending.signal, dispatch, onRefused);
    const timer = setInterval(() => {
      if (!document.hidden) void refresh().catch(() => {});
    }, refreshMs);
    return () => {
      ending.abort();
      clearInterval(timer);
    };
  }, [client]);

  return { state, client, refresh };
}

async function read(client: RelayClient): Promise<Action> {
  // One after the other: a wrong token is then one failure, of which the relay allows a few.
  const relay = await client.readRelay();
  const streams = await client.listStreams();
  return { type: "read", relay, streams };
}

/** Reads, then follows the events, again and again until the signal. */
async function follow(
  client: RelayClient,
  signal: AbortSignal,
  dispatch: (action: Action) => void,
  onRefused: (problem: Problem) => void,
): Promise<void> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    try {
      dispatch(await read(client));
      await followEvents(client, signal, dispatch, () => {
        attempt = 0;
      });
    } catch (error) {
      if (signal.aborted) return;
      const problem = problemFrom(error);
      if (problem.kind !== "unreachable" && problem.kind !== "wait") return onRefused(problem);
      dispatch({ type: "failed", problem });
    }
    if (signal.aborted) return;
    await new Promise((resolve) => setTimeout(resolve, retryMs[Math.min(attempt, retryMs.length - 1)]));
  }
}

async function followEvents(
  client: RelayClient,
  signal: AbortSignal,
  dispatch: (action: Action) => void,
  onEvent: () => void,
): Promise<void> {
  const silent = new AbortController();
  const watchdog = (): ReturnType<typeof setTimeout> => setTimeout(() => silent.abort(), silenceMs);
  let timer = watchdog();
  try {
    for await (const event of client.events({ signal: AbortSignal.any([signal, silent.signal]) })) {
      clearTimeout(timer);
      timer = watchdog();
      onEvent();
      dispatch({ type: "event", event });
      if (event.event.startsWith("stream-")) dispatch(await read(client));
    }
  } finally {
    clearTimeout(timer);
  }
  throw new Error("The relay ended the events.");
}
