import type { HttpRelay } from "../../src/http/http-server.ts";
import { createDescriptions } from "../../src/server/descriptions.ts";
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
