import type { ServerResponse } from "node:http";
import { type Clock, scheduleEvery } from "../../core/clock.ts";
import type { ApiRelay } from "./api-relay.ts";

/** Everybody who follows the relay's events. */
export interface EventHub {
  /** Sends everything from now on to `response`, whose header has been sent, until it is closed. */
  add(response: ServerResponse): void;
  /** How many follow. */
  readonly size: number;
  /** Ends all. */
  close(): void;
}

/**
 * Events are gathered for so long and then sent together: not longer, since people look on; not shorter, so that a crowd at
 * the door costs each follower five writes a second and not one for every hole.
 */
const gatherMs = 200;

/** A comment now and then shows both sides, and what lies between them, that the connection lives. Proxies end what is silent for a minute. */
const heartbeatMs = 15_000;

/** Whoever is a megabyte behind, which is minutes, reads no more and is let go; its client comes back by itself. */
const backlogBytesMax = 1 << 20;

/** Nobody follows at first. However many do, each event is turned into bytes once. */
export function createEventHub(relay: Pick<ApiRelay, "subscribe">, clock: Clock): EventHub {
  const followers = new Set<ServerResponse>();
  let gathered: string[] = [];
  let stopFlush: (() => void) | undefined;
  let stops: readonly (() => void)[] = [];

  function send(text: string): void {
    const bytes = Buffer.from(text);
    for (const response of followers) {
      if (response.writableLength > backlogBytesMax) response.destroy();
      else response.write(bytes);
    }
  }

  function flush(): void {
    stopFlush = undefined;
    send(gathered.join(""));
    gathered = [];
  }

  function start(): void {
    stops = [
      scheduleEvery(clock, heartbeatMs, () => send(": alive\n\n")),
      relay.subscribe((event) => {
        const time = new Date(clock.wallNow()).toISOString();
        gathered.push(`event: ${event.event}\ndata: ${JSON.stringify({ ...event, time })}\n\n`);
        stopFlush ??= clock.schedule(gatherMs, flush);
      }),
    ];
  }

  function stop(): void {
    for (const each of stops) each();
    stopFlush?.();
    [stops, stopFlush, gathered] = [[], undefined, []];
  }

  return {
    add(response) {
      if (followers.size === 0) start();
      followers.add(response);
      response.once("close", () => {
        if (followers.delete(response) && followers.size === 0) stop();
      });
      response.write(": connected\n\n");
    },
    get size() {
      return followers.size;
    },
    close() {
      stop();
      for (const response of followers) response.destroy();
      followers.clear();
    },
  };
}
