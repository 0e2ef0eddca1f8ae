import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { rtpPacket } from "../relay/support.ts";
import { freePorts, openPeer, startRelay, withCleanup } from "../server/support.ts";
import { type Punchcast, runPunchcast, startPunchcast } from "../support/cli.ts";
import { fakeTools } from "../support/fake-tools.ts";
import { viewKey } from "../support/punch-request.ts";
import { withTempFolder } from "../support/temp-folder.ts";
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
  ["an unknown player", ["punch://relay.example/live?key=SECRET", "--player", "winamp"]],
  ["a recording of an unknown kind", ["punch://relay.example/live?key=SECRET", "--record", "live.avi"]],
  ["an output without a port", ["punch://relay.example/live?key=SECRET", "--output", "udp://127.0.0.1"]],
  ["an output of another kind", ["punch://relay.example/live?key=SECRET", "--output", "tcp://127.0.0.1:5600"]],
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

test("watches started at once choose ports of their own, and a killed one keeps none", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const url = `punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`;
    const start = (): Punchcast => use(startPunchcast(["watch", url, "--json"]));
    const watching = [start(), start(), start(), start()];
    const portOf = async (each: Punchcast): Promise<number> => Number((await each.event("ready", 20_000)).port);
    const ports = (await Promise.all(watching.map(portOf))).toSorted((a, b) => a - b);
    for (const [i, port] of ports.entries()) assert.ok(port >= (ports[i - 1] ?? 5000) + 4, ports.join(" "));
    await Promise.all(watching.map((each) => each.close()));
    assert.ok((await portOf(start())) <= (ports[0] ?? 0));
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

const sdpText =
  "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";

/** Watches with a script in a player's place. */
const watchWithFake = (
  script: (folder: string) => string,
  body: (watching: ReturnType<typeof startPunchcast>, folder: string) => Promise<void>,
): Promise<void> =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const sdp = join(folder, "sent.sdp");
      await writeFile(sdp, sdpText);
      use(await fakeTools(folder, { ffplay: script(folder) }));
      const relay = use(await startRelay());
      const url = `punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`;
      await body(use(startPunchcast(["watch", url, "--sdp", sdp, "--player", "ffplay", "--json"])), folder);
    }),
  );

const endReason = (watching: ReturnType<typeof startPunchcast>): unknown => watching.events().at(-1)?.reason;

test("a player gets the SDP file; when it is closed the watch ends", () =>
  watchWithFake(
    (folder) => `for last; do :; done; cp "$last" ${folder}/got; echo "$@" >${folder}/args`,
    async (watching, folder) => {
      assert.equal(await watching.exited, 0, watching.stderr());
      assert.equal(endReason(watching), "player-closed");
      assert.match(await readFile(join(folder, "got"), "utf8"), /^m=video \d+ RTP\/AVP 96/m);
      assert.match(await readFile(join(folder, "args"), "utf8"), /-protocol_whitelist file,rtp,udp/);
    },
  ));

test("when the watch ends the player is closed, even one that does not listen", () =>
  watchWithFake(
    (folder) => `trap '' TERM INT; echo $$ >${folder}/pid; while :; do sleep 0.05; done`,
    async (watching, folder) => {
      await watching.event("ready");
      let pid = 0;
      for (let i = 0; i < 200 && pid === 0; i += 1) {
        pid = Number(await readFile(join(folder, "pid"), "utf8").catch(() => "0"));
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.ok(pid > 0);
      watching.child.kill("SIGINT");
      assert.equal(await watching.exited, 0, watching.stderr());
      assert.equal(endReason(watching), "stopped");
      assert.throws(() => process.kill(pid, 0), /ESRCH/);
    },
  ));

test("a player that cannot start is an error with its own words", () =>
  watchWithFake(
    () => "echo 'no display' >&2; exit 4",
    async (watching) => {
      assert.equal(await watching.exited, 3);
      assert.match(String(watching.events().at(-1)?.message), /ffplay ended with code 4; it said: no display\.$/);
    },
  ));

test("a player or a recorder that is not installed: exit code 3, before anything is opened", async () => {
  const url = "punch://relay.invalid/live?key=SECRET";
  for (const args of [
    ["--player", "gpac"],
    ["--record", "/tmp/punchcast-none.mp4"],
  ]) {
    const { code, stderr } = await runPunchcast(["watch", url, ...args], { PATH: "/nonexistent" });
    assert.equal(code, 3);
    assert.match(stderr, /is not on this machine's PATH: install/);
  }
});

test("a recording never overwrites a file", () =>
  withTempFolder(async (folder) => {
    const file = join(folder, "kept.mkv");
    await writeFile(file, "x");
    const url = "punch://relay.invalid/live?key=SECRET";
    const fake = await fakeTools(folder, { ffmpeg: "exit 0" });
    const { code, stderr } = await runPunchcast(["watch", url, "--record", file]).finally(fake.close);
    assert.equal(code, 3);
    assert.match(stderr, /kept\.mkv exists/);
  }));
