import { createRelayControl } from "../../../src/cli/relay-control.ts";
import { openStateStore } from "../../../src/config/state-file.ts";
import { systemClock } from "../../../src/core/clock.ts";
import { systemRandom } from "../../../src/core/random.ts";
import type { ApiOptions } from "../../../src/http/api/api.ts";
import type { ApiRelay } from "../../../src/http/api/api-relay.ts";
import { createHttpServer } from "../../../src/http/http-server.ts";
import { startRelay, type TestRelay, withCleanup } from "../../server/support.ts";
import { createSeededRandom } from "../../support/seeded-random.ts";
import { withTempFolder } from "../../support/temp-folder.ts";
import { authSecret, fakeRelay } from "../support.ts";

/** The admin token of the tests. */
export const adminToken = "admin-token-of-tests";

/** An answer as a test looks at it. */
export interface ApiAnswer {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: any JSON at all, which the test compares
  readonly json: any;
}

/** Asks the API, with the token unless `headers` has another authorization. An object as `body` is sent as JSON. */
export type ApiAsk = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<ApiAnswer>;

/** A relay with its API, on loopback. */
export interface ApiBench {
  readonly ask: ApiAsk;
  readonly url: string;
  readonly relay: TestRelay;
  readonly api: ApiRelay;
  readonly statePath: string;
  readonly faults: readonly string[];
}

/** Runs a real relay with the stream `live`, named by the configuration, and its API for a test. */
export function withApi(body: (bench: ApiBench) => Promise<void>, more: Partial<ApiOptions> = {}): Promise<void> {
  return withTempFolder((folder) =>
    withCleanup(async (use) => {
      const relay = use(await startRelay({ authSecret }));
      const statePath = `${folder}/relay.json`;
      const state = await openStateStore(statePath, systemRandom);
      const api = createRelayControl({
        ...{ relay, state, authSecret, version: "1.2.3", clock: systemClock, random: createSeededRandom(7) },
        configured: [{ name: "live", publishKey: "of-the-configuration" }],
      });
      const faults: string[] = [];
      const server = await createHttpServer({
        relay: { ...fakeRelay({ keysOf: relay.stream }), descriptions: relay.descriptions },
        ...{ port: 0, address: "127.0.0.1", version: "1.2.3", onFault: (message) => void faults.push(message) },
        api: { relay: api, token: adminToken, from: "loopback", ...more },
      });
      use(server);
      const url = `http://127.0.0.1:${server.port}`;
      await body({ ask: asker(url), url, relay, api, statePath, faults });
    }),
  );
}

function asker(url: string): ApiAsk {
  return async (method, path, body, headers = {}) => {
    const isText = typeof body === "string";
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${adminToken}`,
        ...(body !== undefined && !isText && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    const json = type.includes("json") ? JSON.parse(text) : undefined;
    return { status: response.status, type, headers: response.headers, text, json };
  };
}
