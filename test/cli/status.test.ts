import assert from "node:assert/strict";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import { createRelayClient } from "../../src/http/client/relay-client.ts";
import { freePorts, withCleanup } from "../server/support.ts";
import { runPunchcast, startPunchcast } from "../support/cli.ts";
import { withTempFolder } from "../support/temp-folder.ts";

test("what is created lasts over a restart; status and key ask the relay with the token of its state file", () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const state = join(folder, "relay.json");
      const base = await freePorts(4);
      const args = ["relay", "--listen", "127.0.0.1", "--punch-port", "0", "--ingest-port", String(base), "--json"];
      const start = async (...more: string[]): Promise<{ url: string; close(): Promise<void> }> => {
        const relay = use(startPunchcast([...args, "--state", state, ...more]));
        return { url: String((await relay.event("listening")).http), close: relay.close };
      };
      const first = await start();
      assert.equal((await stat(state)).mode & 0o777, 0o600);
      const { adminToken: token } = JSON.parse(await readFile(state, "utf8"));
      const created = await createRelayClient({ url: first.url, token }).createStream({ name: "cam", components: 2 });
      assert.equal(created.origin, "created");
      const keys = await createRelayClient({ url: first.url, token }).readKeys("cam");
      await first.close();

      const second = await start("--auth-secret", "a-secret-of-tests");
      const api = ["--http", second.url, "--state", state];
      const status = await runPunchcast(["status", ...api, "--viewers"]);
      assert.equal(status.code, 0, status.stderr);
      assert.match(status.stdout, /^live +configured +\d+-\d+ +idle/m);
      assert.match(status.stdout, /^cam +created +by key +idle/m);
      assert.match(status.stdout, /Nobody watches/);
      const lines = (await runPunchcast(["status", ...api, "--json"])).stdout.trim().split("\n");
      assert.deepEqual(
        lines.map((line) => JSON.parse(line).event),
        ["relay", "stream", "stream"],
      );
      const shown = JSON.parse((await runPunchcast(["key", "cam", ...api, "--json"])).stdout);
      assert.deepEqual([shown.viewKey, shown.publishKey], [keys.viewKey, keys.publishKey]);
      assert.match(shown.browserUrl, new RegExp(`^http://127\\.0\\.0\\.1:\\d+/watch/cam#key=${keys.viewKey}$`));
      const rotated = JSON.parse((await runPunchcast(["key", "cam", ...api, "--rotate", "view", "--json"])).stdout);
      assert.ok(rotated.viewKey !== keys.viewKey && rotated.publishKey === keys.publishKey);
      const minted = await runPunchcast(["key", "cam", ...api, "--mint", "view", "--lifetime", "60"]);
      assert.match(minted.stdout, /^punch:\/\/127\.0\.0\.1:\d+\/cam\?key=\S+expires=\d+/);
      assert.match(minted.stdout, /^http:\/\/\S+\/watch\/cam#key=\S+&expires=\d+$/m);
      const publish = await runPunchcast(["key", "cam", ...api, "--mint", "publish", "--json"]);
      assert.equal(JSON.parse(publish.stdout).browserUrl, undefined);
      const unknown = await runPunchcast(["key", "none", ...api]);
      assert.deepEqual([unknown.code, unknown.stderr.includes("no stream 'none'")], [4, true]);
      await second.close();

      // Another token does not take away what is kept.
      const client = async (relay: { url: string }) => createRelayClient({ url: relay.url, token });
      const third = await start("--admin-token", "another-token");
      const wrong = (await client(third)).listStreams();
      await assert.rejects(wrong, (error) => error instanceof PunchcastError && error.code === "RELAY_REFUSED");
      const named = createRelayClient({ url: third.url, token: "another-token" });
      assert.equal((await named.readKeys("cam")).viewKey, rotated.viewKey);
      await third.close();
    }),
  ));

test("a created stream that the configuration leaves no room for is left out, and told", () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const state = join(folder, "relay.json");
      const base = await freePorts(4);
      const args = ["relay", "--listen", "127.0.0.1", "--punch-port", "0", "--state", state, "--json"];
      const relay = use(startPunchcast([...args, "--ingest-port", "none"]));
      const url = String((await relay.event("listening")).http);
      const { adminToken: token } = JSON.parse(await readFile(state, "utf8"));
      await createRelayClient({ url, token }).createStream({ name: "cam", ingestPort: base });
      await relay.close();
      const next = use(startPunchcast([...args, "--ingest-port", String(base)]));
      const { message } = await next.event("warning");
      assert.match(String(message), /'cam'.*left out.*choose another ingest port/);
      assert.equal(JSON.parse(await readFile(state, "utf8")).streams.cam.created.ingestPort, base);
    }),
  ));

test("without a token, a relay or sense: one sentence and an exit code", () =>
  withTempFolder(async (folder) => {
    const state = ["--state", join(folder, "none.json")];
    const noToken = await runPunchcast(["status", ...state]);
    assert.deepEqual([noToken.code, /no admin token/.test(noToken.stderr)], [2, true]);
    const port = await freePorts(1);
    const nobody = await runPunchcast(["status", "--admin-token", "t", "--http", `http://127.0.0.1:${port}`]);
    assert.deepEqual([nobody.code, /No relay answers.*ECONNREFUSED/.test(nobody.stderr)], [4, true]);
    const both = await runPunchcast(["key", "live", ...state, "--rotate", "view", "--mint", "view"]);
    assert.equal(both.code, 2);
    for (const command of ["status", "key"]) {
      const help = await runPunchcast([command, "--help"]);
      assert.match(help.stdout, new RegExp(`Example:\n +punchcast ${command}`));
    }
  }));
