import assert from "node:assert/strict";
import { test } from "node:test";
import { rtpPacket } from "../relay/support.ts";
import { freePorts, openPeer, startRelay, withCleanup } from "../server/support.ts";
import { runPunchcast, startPunchcast } from "../support/cli.ts";
import { viewKey } from "../support/punch-request.ts";
import { until } from "../support/until.ts";

for (const args of [
  ["relay", "--help"],
  ["watch", "--help"],
]) {
  test(`punchcast ${args.join(" ")} has an example`, async () => {
    const { code, stdout } = await runPunchcast(args);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`Example:\\n {2}punchcast ${args[0]} `));
  });
}

test("punchcast without a command says what there is; --version is the package's", async () => {
  const { stdout, code } = await runPunchcast(["--help"]);
  assert.equal(code, 0);
  for (const word of ["relay", "watch", "Exit codes"]) assert.ok(stdout.includes(word), word);
  assert.match((await runPunchcast(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.equal((await runPunchcast(["nonsense"])).code, 2);
});

for (const [name, args] of [
  ["a URL of another kind", ["http://relay.example/live?key=SECRET"]],
  ["a URL without its question mark", ["punch://relay.example/live&key=SECRET"]],
  ["a URL with the key in the wrong place", ["punch://relay.example/live#key=SECRET"]],
  ["a URL with a bad port", ["punch://relay.example:99999/live?key=SECRET"]],
  ["a URL with a bad expiry", ["punch://relay.example/live?key=SECRET&expires=soon"]],
  ["a URL with a bad name", ["punch://relay.example/%ff?key=SECRET"]],
  ["a URL and a bare relay", ["punch://relay.example/live?key=SECRET", "--bare", "relay.example"]],
  ["a bare relay with a path", ["--bare", "relay.example/x"]],
  ["neither", []],
  ["a bad duration", ["punch://relay.example/live?key=SECRET", "--duration", "9999999"]],
  ["bad components", ["punch://relay.example/live?key=SECRET", "--components", "0,x"]],
  ["an unknown player", ["punch://relay.example/live?key=SECRET", "--player", "vlc"]],
  ["a player without an SDP", ["punch://relay.example/live?key=SECRET", "--player", "mpv", "--http", "none"]],
  ["an HTTP port that is none", ["punch://relay.example/live?key=SECRET", "--http", "ftp://relay.example"]],
  ["an SDP that is not there", ["punch://relay.example/live?key=SECRET", "--sdp", "/no/such.sdp"]],
] as const) {
  test(`${name}: exit code 2, a sentence, and never the key`, async () => {
    const { code, stdout, stderr } = await runPunchcast(["watch", ...args]);
    assert.equal(code, 2, stderr);
    assert.ok(stderr.trim().length > 0 && stderr.trim().split("\n").length <= 2, stderr);
    assert.ok(!`${stdout}${stderr}`.includes("SECRET"), stderr);
  });
}

test("a wrong key: exit code 4, and never the key", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const { code, stderr } = await runPunchcast(["watch", `punch://127.0.0.1:${relay.punchPort}/live?key=WRONG-KEY`]);
    assert.equal(code, 4);
    assert.match(stderr, /refused: the key is wrong/);
    assert.ok(!stderr.includes("WRONG-KEY"));
  }));

test("watches for the duration, tells it as JSON and ends with 0", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const url = `punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`;
    const watching = use(startPunchcast(["watch", url, "--json", "--duration", "2.5"]));
    const ready = await watching.event("ready");
    assert.deepEqual(ready.components, [0, 1, 2, 3]);
    const sender = use(await openPeer());
    for (let i = 0; i < 5; i += 1) sender.send(rtpPacket(i), { address: "127.0.0.1", port: relay.ingestPort });
    assert.equal(await watching.exited, 0, watching.stderr());
    const events = watching.events();
    assert.equal(events.filter(({ event }) => event === "punched").length, 4);
    const last = events.findLast(({ event }) => event === "stats") as unknown as { components: { packets: number }[] };
    assert.equal(last.components[0]?.packets, 5);
    const end = events.at(-1);
    assert.deepEqual([end?.event, end?.reason], ["ended", "duration"]);
    assert.ok(!watching.stdout().includes(viewKey));
    await until("the holes to be left", () => relay.events.some(({ event }) => event === "hole-closed"));
  }));

test("says in the seed's words where the stream arrives", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const url = `punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`;
    const { code, stdout } = await runPunchcast(["watch", url, "--duration", "1"]);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /Component +Internal Address +External Address +Remote Address\n0 +127\.0\.0\.1:\d+ +127\.0\.0\.1:\d+ /,
    );
    assert.match(stdout, /Listen to port \d+ to get your stream!/);
    assert.match(stdout, /Ended \(duration\)\./);
  }));

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} ends it in under a second with 0, watching or still waiting for the relay`, () =>
    withCleanup(async (use) => {
      const relay = use(await startRelay());
      const url = (port: number): string => `punch://127.0.0.1:${port}/live?key=${viewKey}`;
      const watching = use(startPunchcast(["watch", url(relay.punchPort), "--json"]));
      await watching.event("ready");
      const waiting = use(startPunchcast(["watch", url(await freePorts(1)), "--json"]));
      await waiting.event("waiting");
      for (const running of [watching, waiting]) {
        const startedAt = performance.now();
        running.child.kill(signal);
        assert.equal(await running.exited, 0, running.stderr());
        assert.ok(performance.now() - startedAt < 1_000);
        const end = running.events().at(-1);
        assert.deepEqual([end?.event, end?.reason], ["ended", "stopped"]);
      }
    }));
}
