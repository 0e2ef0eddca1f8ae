import type { HttpRelay } from "../../src/http/http-server.ts";
import { readSdp } from "../../src/sdp/session.ts";
import { createDescriptions } from "../../src/server/descriptions.ts";
import type { WebRtc, WebRtcRefusal } from "../../src/webrtc/web-rtc-types.ts";
import { publishKey, viewKey } from "../support/punch-request.ts";

/** The secret of the test relay's time-limited credentials. */
export const authSecret = "a-long-secret";

/** A relay as the HTTP port sees it: `live` and `a.b`, four components each, nothing on the wire. */
export function fakeRelay(more: Partial<HttpRelay> = {}): HttpRelay {
  const keys = new Map(["live", "a.b"].map((name) => [name, { viewKey, publishKey }]));
  keys.set("other", { viewKey: "view-key-of-other", publishKey: "publish-key-of-other" });
  return {
    keysOf: (name) => keys.get(name),
    authSecret,
    openStream: () => undefined,
    descriptions: createDescriptions({
      componentsOf: (name) => (keys.has(name) ? 4 : undefined),
      inferred: () => undefined,
    }),
    isReady: () => true,
    ...more,
  };
}

/** The one session that `fakeWebRtc` has, of stream `live`, and one that was kicked. */
export const id = "0123456789abcdef0123456789abcdef";
export const kickedId: string = id.replace("0", "e");

/** What browsers had it do. */
export interface Calls {
  readonly begun: string[];
  readonly ended: string[];
}

/** Browsers are all answered alike, or refused. */
export function fakeWebRtc(calls: Calls, refusal?: WebRtcRefusal): WebRtc {
  const begin = (stream: string, text: string): Promise<{ id: string; answer: string } | WebRtcRefusal> => {
    readSdp(text);
    calls.begun.push(stream);
    return Promise.resolve(refusal ?? { id, answer: "v=0\r\nanswer\r\n" });
  };
  return {
    prepare: () => {},
    status: () => ({ live: true, tracks: [{ track: 1, kind: "video", codec: "H.264", plays: "yes" }] }),
    view: (stream, text) => begin(stream, text),
    publish: (stream, text) => begin(`publish ${stream}`, text),
    find(stream, session) {
      if (session === kickedId) return "kicked";
      return stream === "live" && session === id ? "there" : "unknown";
    },
    end: (stream, session) => void calls.ended.push(`${stream} ${session}`),
    kick: () => false,
    viewers: () => [],
    counts: () => ({
      ...{ viewers: 0, publishers: 0, worstLossFraction: 0 },
      sent: { packets: 0, bytes: 0, drops: 0 },
    }),
    close: () => Promise.resolve(),
  };
}
