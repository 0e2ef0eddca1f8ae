import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { PunchcastError } from "../../src/core/errors.ts";
import { createHttpServer, type HttpRelay, type HttpServerOptions } from "../../src/http/http-server.ts";
import { readSdp } from "../../src/sdp/session.ts";
import { mp4boxLike } from "../sdp/examples.ts";
import { withCleanup } from "../server/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { publishKey, viewKey } from "../support/punch-request.ts";
import { fakeRelay } from "./support.ts";

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly text: string;
  /** The members of a JSON answer; none if it is no JSON. */
  readonly json: Readonly<Record<string, unknown>>;
}
type Ask = (path: string, init?: RequestInit) => Promise<Answer>;

/** Runs a server on loopback for the test. */
function withServer(
  body: (ask: Ask, port: number, faults: string[]) => Promise<void>,
  relay: HttpRelay = fakeRelay(),
  more: Partial<HttpServerOptions> = {},
): Promise<void> {
  return withCleanup(async (use) => {
    const faults: string[] = [];
    const options = { relay, port: 0, address: "127.0.0.1", onFault: (message: string) => void faults.push(message) };
    const { port } = use(await createHttpServer({ ...options, ...more }));
    await body(
      async (path, init) => {
        const response = await fetch(`http://127.0.0.1:${port}${path}`, init ?? {});
        const text = await response.text();
        const type = response.headers.get("content-type") ?? "";
        return {
          status: response.status,
          type,
          headers: response.headers,
          text,
          json: type.includes("json") ? JSON.parse(text) : {},
        };
      },
      port,
      faults,
    );
  });
}

const put = (sdp: string, key = publishKey): RequestInit => ({
  method: "PUT",
  body: sdp,
  headers: { authorization: `Bearer ${key}` },
});

test("an SDP that was put is got for the ports and address that the viewer asks for", () =>
  withServer(async (ask) => {
    const taken = await ask("/streams/a.b.sdp", put(mp4boxLike));
    assert.deepEqual([taken.status, taken.json], [200, { stream: "a.b", tracks: 2, inEffect: "published" }]);
    const { status, type, text, headers } = await ask(`/streams/a.b.sdp?key=${viewKey}&port=7001&address=::1`);
    assert.deepEqual([status, type, headers.get("punchcast-sdp-source")], [200, "application/sdp", "published"]);
    assert.deepEqual(
      readSdp(text).media.map(({ port }) => port),
      [7001, 7003],
    );
    assert.match(text, /c=IN IP6 ::1\r\n/);
    assert.match((await ask(`/streams/a.b.sdp?key=${viewKey}`)).text, /m=video 5004 /);
    assert.equal((await ask("/streams/a.b.sdp", { method: "DELETE", headers: put("").headers ?? {} })).status, 204);
    assert.equal((await ask(`/streams/a.b.sdp?key=${viewKey}`)).status, 404);
  }));

test("MPEG-TS in RTP names its URL, bare MPEG-TS has nothing else", async () => {
  const bare = { kind: "url", playerUrl: (port: number) => `udp://@:${port}` } as const;
  const descriptions = { ...fakeRelay().descriptions, find: () => bare };
  await withServer(async (ask) => {
    const { status, json } = await ask(`/streams/live.sdp?key=${viewKey}&port=5600`);
    assert.deepEqual([status, json.code, json.url], [404, "SDP_UNKNOWN", "udp://@:5600"]);
  }, fakeRelay({ descriptions }));
  await withServer(async (ask) => {
    await ask("/streams/live.sdp", put("v=0\nm=video 9099 RTP/AVP 33\n"));
    const { headers } = await ask(`/streams/live.sdp?key=${viewKey}&port=5600`);
    assert.equal(headers.get("punchcast-player-url"), "rtp://@:5600");
  });
});

test("without an SDP it says why, and when to ask again", () =>
  withServer(async (ask) => {
    const { status, type, json, headers } = await ask(`/streams/live.sdp?key=${viewKey}`);
    assert.deepEqual(
      [status, type, json.code, json.pending],
      [404, "application/problem+json; charset=utf-8", "SDP_UNKNOWN", true],
    );
    assert.match(String(json.message), /Nobody sends to stream 'live'/);
    assert.equal(headers.get("retry-after"), "2");
  }));

test("without the right key: 401 with how to ask, and the same for a stream that is not there", () =>
  withServer(async (ask) => {
    const none = await ask("/streams/live.sdp");
    assert.deepEqual([none.status, none.json.code], [401, "RELAY_REFUSED"]);
    assert.match(none.headers.get("www-authenticate") ?? "", /Bearer.*Punchcast/);
    const [wrong, absent] = [await ask("/streams/live.sdp?key=x"), await ask("/streams/absent.sdp?key=x")];
    assert.equal(wrong.status, 401);
    assert.deepEqual(absent.json, wrong.json);
    assert.equal((await ask("/streams/live.sdp", put(mp4boxLike, viewKey))).status, 401);
    const { headers } = await ask("/healthz");
    assert.deepEqual([headers.get("cache-control"), headers.get("x-content-type-options")], ["no-store", "nosniff"]);
  }));

test("guessing is slowed down for the address, right keys included, until it has rested", () => {
  const clock = createFakeClock();
  return withServer(
    async (ask) => {
      const guess = async (key: string): Promise<number> => (await ask(`/streams/live.sdp?key=${key}`)).status;
      for (let i = 0; i < 10; i += 1) assert.equal(await guess(`wrong-${i}`), 401);
      assert.deepEqual([await guess("wrong"), await guess(viewKey)], [429, 429]);
      assert.equal((await ask("/healthz")).status, 200);
      clock.advance(1_000);
      assert.equal(await guess(viewKey), 404);
    },
    fakeRelay(),
    { clock },
  );
});

test("an open relay shows its first stream's SDP to anyone, under its name and as bare.sdp", () =>
  withServer(
    async (ask) => {
      await ask("/streams/live.sdp", put(mp4boxLike));
      assert.equal((await ask("/bare.sdp?port=7000")).text, (await ask("/streams/live.sdp?port=7000")).text);
      assert.equal((await ask("/streams/a.b.sdp")).status, 401);
      assert.equal((await ask("/streams/live.sdp", { method: "PUT", body: mp4boxLike })).status, 401);
    },
    fakeRelay({ openStream: () => "live" }),
  ));

test("health and readiness need no key", async () => {
  await withServer(async (ask) => {
    assert.deepEqual([(await ask("/healthz")).status, (await ask("/readyz")).status], [200, 200]);
    assert.equal((await ask("/bare.sdp")).status, 404);
  });
  await withServer(
    async (ask) => {
      assert.deepEqual([(await ask("/healthz")).status, (await ask("/readyz")).status], [200, 503]);
    },
    fakeRelay({ isReady: () => false }),
  );
});

test("hostile paths, queries and bodies are the client's fault", () =>
  withServer(async (ask, _port, faults) => {
    const key = `key=${viewKey}`;
    for (const path of [
      ...[
        "/console/",
        "/console/..%2f..%2fpackage.json",
        "/streams/",
        "/streams/.sdp",
        "/streams/..sdp",
        "/streams/%2e%2e%2fx.sdp",
        "/streams/%ff.sdp",
        "/streams/%00.sdp",
      ],
      ...[`/streams/${"a".repeat(5_000)}.sdp`, "/streams/live.sdp/", "/streams/__proto__.sdp", "/constructor"],
      ...[
        `/streams/live.sdp?${key}&port=1&port=2`,
        `/streams/live.sdp?${key}&port=70000`,
        `/streams/live.sdp?${key}&port=-1`,
      ],
      ...[
        `/streams/live.sdp?${key}&address=here`,
        `/streams/live.sdp?${key}&address[]=1`,
        "/streams/live.sdp?key[__proto__]=1",
      ],
    ]) {
      const { status, json } = await ask(path);
      assert.ok(status >= 400 && status < 500, `${path}: ${status}`);
      assert.ok(typeof json.code === "string" && typeof json.message === "string", path);
    }
    const bodies = [
      "",
      "hello",
      "v=0\n",
      `v=0\nm=video 1 RTP/AVP 96\n${"m=audio 3 RTP/AVP 0\n".repeat(3)}`,
      "\0".repeat(100),
    ];
    for (const body of bodies) {
      const { status, json } = await ask("/streams/live.sdp", put(body));
      assert.deepEqual([status, json.code], [400, "BAD_SDP"], body.slice(0, 20));
    }
    const large = await ask("/streams/live.sdp", put(mp4boxLike + "a=x\n".repeat(20_000)));
    assert.deepEqual([large.status, large.json.code], [413, "BAD_SDP"]);
    for (const type of ["application/json", "multipart/form-data"]) {
      const init = put(mp4boxLike);
      const { status } = await ask("/streams/live.sdp", {
        ...init,
        headers: { ...init.headers, "content-type": type },
      });
      assert.equal(status, 200, type);
    }
    assert.deepEqual(faults, []);
  }));

test("any name and any bytes: never 5xx", () =>
  withServer(async (ask, _port, faults) => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "binary", maxLength: 40 }),
        fc.uint8Array({ maxLength: 200 }),
        async (name, bytes) => {
          const { status } = await ask(`/streams/${encodeURIComponent(name)}.sdp`, put("x"));
          assert.ok(status < 500);
          const answer = await ask("/streams/live.sdp", { ...put(""), body: Buffer.from(bytes) });
          assert.equal(answer.status, 400);
        },
      ),
      { numRuns: 40 },
    );
    assert.deepEqual(faults, []);
  }, fakeRelay()));

test("what is no HTTP, or has too much header, gets 4xx and the connection's end", () =>
  withServer(async (_ask, port) => {
    for (const [bytes, status] of [
      ["\x16\x03\x01\x02\x00 hello\r\n\r\n", 400],
      [`GET / HTTP/1.1\r\nHost: a\r\nBig: ${"x".repeat(20_000)}\r\n\r\n`, 431],
    ] as const) {
      const socket = connect(port, "127.0.0.1");
      socket.setEncoding("utf8").on("error", () => {});
      let said = "";
      socket.on("data", (text: string) => {
        said += text;
      });
      socket.write(bytes);
      await once(socket, "close");
      assert.match(said, new RegExp(`^HTTP/1.1 ${status} `));
    }
  }));

test("a fault of ours is 500, told to the operator and not to the client", () => {
  const descriptions = {
    ...fakeRelay().descriptions,
    find: (): never => {
      throw new Error("secret inside");
    },
  };
  return withServer(async (ask, _port, faults) => {
    const { status, json, text } = await ask(`/streams/live.sdp?key=${viewKey}`);
    assert.deepEqual([status, json.code], [500, "INTERNAL"]);
    assert.ok(!text.includes("secret inside"));
    assert.match(faults.join(), /secret inside/);
  }, fakeRelay({ descriptions }));
});

test("a TCP port in use is named", () =>
  withServer(async (_ask, port) => {
    await assert.rejects(createHttpServer({ relay: fakeRelay(), port, address: "127.0.0.1" }), (error: unknown) => {
      assert.ok(error instanceof PunchcastError && error.code === "PORT_IN_USE", String(error));
      assert.equal(
        error.message,
        `HTTP port (--http-port) 127.0.0.1:${port} is in use: stop the program that has it or choose another port.`,
      );
      return true;
    });
  }));
