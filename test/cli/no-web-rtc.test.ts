import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { withCleanup } from "../server/support.ts";
import { startPunchcast } from "../support/cli.ts";
import { withTempFolder } from "../support/temp-folder.ts";

/** Has Node find no such package, as where there is no binary for the platform. */
const hidden = `import { registerHooks } from "node:module";
  registerHooks({ resolve(name, context, next) {
    if (name === "node-datachannel") throw new Error("Cannot find package 'node-datachannel'");
    return next(name, context);
  } });`;

test("without node-datachannel the relay runs, and browsers are told why they are not served", () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const ports = ["--punch-port", "0", "--ingest-port", "none"];
      const relay = use(
        startPunchcast(["relay", "--listen", "127.0.0.1", ...ports, "--state", join(folder, "relay.json"), "--json"], {
          NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hidden)}`,
        }),
      );
      const listening = await relay.event("listening");
      const [stream] = listening.streams as { publishUrl: string }[];
      const { key } = parsePunchUrl(stream?.publishUrl ?? "");
      const lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=video 9 UDP/TLS/RTP/SAVPF 96"];
      for (let i = 0; i < 2; i += 1) {
        const refused = await fetch(`${listening.http}/whip/live`, {
          method: "POST",
          headers: { authorization: `Bearer ${key}`, "content-type": "application/sdp" },
          body: [...lines, "a=mid:0", "a=rtpmap:96 VP8/90000", ""].join("\r\n"),
        });
        assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "2"]);
        assert.match(((await refused.json()) as { message: string }).message, /node-datachannel does not run here/);
      }
      assert.equal((await fetch(`${listening.http}/healthz`)).status, 200);
      assert.equal((await fetch(`${listening.http}/watch/live`)).status, 200);
      const warnings = relay
        .events()
        .filter(({ event, message }) => event === "warning" && /rowsers/.test(String(message)));
      assert.equal(warnings.length, 1);
      assert.match(String(warnings[0]?.message), /all else works/);
    }),
  ));
