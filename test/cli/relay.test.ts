import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { freePorts, openPeer, withCleanup } from "../server/support.ts";
import { runPunchcast, startPunchcast } from "../support/cli.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "punchcast-test-"));
});
after(() => rm(folder, { recursive: true }));

/** Arguments of a relay on loopback that touches nothing outside the test's folder. */
async function relayArguments(...more: string[]): Promise<string[]> {
  const port = String(await freePorts(4));
  const state = join(folder, `${port}.json`);
  return ["relay", "--listen", "127.0.0.1", "--punch-port", "0", "--ingest-port", port, "--state", state, ...more];
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends a relay in under a second, with exit code 0 and 'stopped'`, () =>
    withCleanup(async (use) => {
      const relay = use(startPunchcast(await relayArguments("--json")));
      const listening = await relay.event("listening");
      assert.match(JSON.stringify(listening), /"watchUrl":"punch:\/\/127\.0\.0\.1:\d+\/live\?key=[0-9a-f]{32}"/);
      const startedAt = performance.now();
      relay.child.kill(signal);
      assert.equal(await relay.exited, 0);
      assert.ok(performance.now() - startedAt < 1_000);
      for (const event of relay.events()) {
        assert.equal(typeof event.event, "string");
        assert.ok(!Number.isNaN(Date.parse(String(event.time))));
      }
      assert.equal(relay.events().at(-1)?.event, "stopped");
      assert.equal(relay.stderr(), "");
    }));
}

test("prints lines that are ready to paste", () =>
  withCleanup(async (use) => {
    const port = await freePorts(4);
    const args = ["--ingest-port", String(port), "--public-address", "relay.example", "--view-key", "view-key-1"];
    const relay = use(startPunchcast([...(await relayArguments("--open")), ...args]));
    await new Promise((resolve) => relay.child.stdout?.once("data", resolve));
    const text = relay.stdout();
    assert.match(text, /^Console: http:\/\/127\.0\.0\.1:\d+\/$/m);
    assert.match(text, new RegExp(`MP4Box -rtp -dst=relay\\.example -port=${port} `));
    assert.match(text, new RegExp(`gpac -i \\S+ -o \\S+:ip=relay\\.example:port=${port}`));
    assert.match(text, new RegExp(`rtp://relay\\.example:${port + 2}`));
    assert.match(text, /punchcast watch 'punch:\/\/relay\.example:\d+\/live\?key=view-key-1'/);
    assert.match(text, /s\.sendto\(b'0',\('relay\.example',\d+\)\)/);
    relay.child.kill("SIGINT");
    assert.equal(await relay.exited, 0);
    assert.match(relay.stdout(), /Stopped\.\n$/);
  }));

test("opened in the configuration file, it prints the bare client's line too", () =>
  withCleanup(async (use) => {
    const config = join(folder, "open.yaml");
    await writeFile(config, "open: true\n");
    const relay = use(startPunchcast(await relayArguments("--config", config)));
    await new Promise((resolve) => relay.child.stdout?.once("data", resolve));
    assert.match(relay.stdout(), /bare client/);
  }));

test("a port in use: exit code 3 and one sentence, as JSON if that was asked for", () =>
  withCleanup(async (use) => {
    const { port } = use(await openPeer()).local;
    const args = await relayArguments("--punch-port", String(port));
    const { code, stdout, stderr } = await runPunchcast(args);
    assert.equal(code, 3);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      new RegExp(`^punchcast: Punch port \\(--punch-port\\) 127\\.0\\.0\\.1:${port} is in use: .*\\.\n$`),
    );
    const json = await runPunchcast([...args, "--json"]);
    assert.equal(json.code, 3);
    const { event, code: errorCode, message } = JSON.parse(json.stdout);
    assert.deepEqual([event, errorCode], ["error", "PORT_IN_USE"]);
    assert.match(message, /in use/);
  }));

for (const [name, args, message] of [
  ["an unknown flag", ["--nonsense"], /unknown option '--nonsense'/],
  ["an unknown plane", ["--plane", "quantum"], /'quantum' is invalid.*userspace/],
  ["a bad CIDR", ["--from", "192.0.2.0/33"], /192\.0\.2\.0\/33.*Give an address or a block/],
  ["a bad address", ["--listen", "here"], /'here'.*Give an IP address/],
  ["a bad port", ["--punch-port", "70000"], /70000.*0 to 65535/],
  ["a public address with a port", ["--public-address", "relay.example:1"], /Give a host name/],
  ["an address block for bare punches that are off", ["--open-from", "192.0.2.0/24"], /add --open/],
  ["a stream's name", ["--stream", "a b"], /'a b'/],
  ["a superfluous word", ["surplus"], /too many arguments/],
  ["a configuration file that is not there", ["--config", "/no/such.yaml"], /\/no\/such\.yaml cannot be read/],
] as const) {
  test(`${name}: exit code 2 and a sentence`, async () => {
    const { code, stderr, stdout } = await runPunchcast(["relay", "--state", join(folder, "unused.json"), ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
    assert.equal(stdout, "");
    assert.ok(stderr.trim().split("\n").length <= 2, stderr);
  });
}

test("a state file that is damaged is set aside, and both its names are told", () =>
  withCleanup(async (use) => {
    const state = join(folder, "damaged.json");
    await writeFile(state, "{");
    const relay = use(startPunchcast([...(await relayArguments("--json")), "--state", state]));
    const { message } = await relay.event("warning");
    assert.ok(String(message).includes(`${state}.damaged`), String(message));
    assert.equal(await readFile(`${state}.damaged`, "utf8"), "{");
  }));

test("generated keys last over restarts; keys from the environment are taken and not written", () =>
  withCleanup(async (use) => {
    const args = await relayArguments("--json");
    const urls: unknown[] = [];
    for (let run = 0; run < 2; run += 1) {
      const relay = use(startPunchcast([...args, "--punch-port", String(await freePorts(1))]));
      const { streams } = (await relay.event("listening")) as unknown as { streams: { watchUrl: string }[] };
      urls.push(new URL(streams[0]?.watchUrl ?? "").searchParams.get("key"));
      await relay.close();
    }
    assert.equal(urls[0], urls[1]);
    const state = join(folder, "environment.json");
    const env = {
      PUNCHCAST_VIEW_KEY: "view-from-env",
      PUNCHCAST_PUBLISH_KEY: "publish-from-env",
      PUNCHCAST_ADMIN_TOKEN: "t",
    };
    const relay = use(startPunchcast([...args, "--state", state], env));
    assert.match(JSON.stringify(await relay.event("listening")), /view-from-env/);
    await assert.rejects(stat(state));
  }));
