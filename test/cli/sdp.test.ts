import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { sampleClipPath } from "../../src/send/sample.ts";
import { mp4boxLike } from "../sdp/examples.ts";
import { freePorts, withCleanup } from "../server/support.ts";
import { type Punchcast, runPunchcast, startPunchcast } from "../support/cli.ts";
import { needs } from "../support/needs.ts";
import { withTempFolder } from "../support/temp-folder.ts";

interface Listening {
  readonly http?: string;
  readonly streams: readonly { readonly watchUrl: string; readonly publishUrl: string }[];
}

/** A relay on loopback with its state in `folder`. */
async function startRelay(folder: string, ...more: string[]): Promise<Punchcast & { told(): Promise<Listening> }> {
  const port = await freePorts(5);
  const ports = ["--listen", "127.0.0.1", "--punch-port", String(port), "--ingest-port", String(port + 1)];
  const relay = startPunchcast(["relay", ...ports, "--state", join(folder, "state.json"), "--json", ...more]);
  return { ...relay, told: async () => (await relay.event("listening")) as unknown as Listening };
}

test(
  "relay, send and watch pass the SDP on by themselves: ffmpeg decodes pictures from what watch wrote",
  {
    ...needs("ffmpeg"),
    timeout: 60_000,
  },
  () =>
    withTempFolder((folder) =>
      withCleanup(async (use) => {
        const relay = use(await startRelay(folder));
        const { http, streams } = await relay.told();
        const { watchUrl = "", publishUrl = "" } = streams[0] ?? {};
        assert.equal(http, `http://127.0.0.1:${new URL(watchUrl).port}`);
        const path = join(folder, "player.sdp");
        const player = String(await freePorts(4));
        const watching = use(startPunchcast(["watch", watchUrl, "--port", player, "--sdp-out", path, "--json"]));
        const { message } = await watching.event("no-sdp");
        assert.match(String(message), /Nobody sends to stream 'live'/);
        const sending = use(startPunchcast(["send", sampleClipPath(), publishUrl, "--loop", "--json"]));
        await sending.event("published");
        assert.equal((await watching.event("sdp")).sdp, path);
        const input = ["-protocol_whitelist", "file,rtp,udp", "-i", path];
        const output = ["-map", "0:v", "-frames:v", "30", "-f", "framemd5", "-"];
        const { stdout } = await promisify(execFile)("ffmpeg", ["-v", "fatal", "-nostdin", ...input, ...output], {
          timeout: 30_000,
        });
        assert.equal(stdout.split("\n").filter((line) => /^0,/.test(line)).length, 30);
        const key = new URL(watchUrl).searchParams.get("key") ?? "";
        for (const party of [watching, relay, sending]) assert.equal(party.stderr(), "");
        assert.ok(!watching.stdout().includes(key));
      }),
    ),
);

test("a given SDP is handed out; HTTP elsewhere stands in the URLs, and none is said too", () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const given = join(folder, "given.sdp");
      await writeFile(given, mp4boxLike);
      const relay = use(await startRelay(folder, "--sdp", given, "--http-port", "0"));
      const { http, streams } = await relay.told();
      const { watchUrl = "" } = streams[0] ?? {};
      assert.equal(new URL(watchUrl).searchParams.get("http"), new URL(http ?? "").port);
      const path = join(folder, "player.sdp");
      const watching = use(startPunchcast(["watch", watchUrl, "--sdp-out", path, "--json"]));
      await watching.event("sdp");
      assert.match(await readFile(path, "utf8"), /s=livesession\r\n/);

      const without = use(await startRelay(folder, "--http-port", "none"));
      const quiet = await without.told();
      assert.ok(!("http" in quiet) && quiet.streams[0]?.watchUrl.endsWith("&http=none"));
      const waiting = use(startPunchcast(["watch", quiet.streams[0]?.watchUrl ?? "", "--json"]));
      assert.match(String((await waiting.event("no-sdp")).message), /no HTTP port.*--sdp FILE/);
    }),
  ));

test("a given SDP that cannot be used stops the start, and is named", () =>
  withTempFolder(async (folder) => {
    const broken = join(folder, "broken.sdp");
    await writeFile(broken, "v=0\nm=video\n");
    const { code, stderr } = await runPunchcast(["relay", "--state", join(folder, "state.json"), "--sdp", broken]);
    assert.equal(code, 2);
    assert.match(stderr, new RegExp(`${broken}: Line 2 of the SDP`));
  }));
