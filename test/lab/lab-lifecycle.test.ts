import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createLab } from "../../src/lab/lab.ts";
import { probeLab } from "../../src/lab/probe.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { holdersOf, namespacesOf, needsLab, withLab } from "../support/lab.ts";

const options = { ...(await needsLab("python3")), timeout: 30_000 };
const driver = fileURLToPath(new URL("../support/lab-driver.ts", import.meta.url));
const asRoot = { skip: options.skip || (process.getuid?.() !== 0 && "only root can give up rights") };

test("the seed's scene stands in 1.5 s, and closing it leaves nothing, however much ran in it", options, async () => {
  const before = hostState();
  const start = performance.now();
  const lab = await createLab(seedScene());
  const took = performance.now() - start;
  const namespaces = await namespacesOf(lab);
  assert.ok(namespaces.size >= 8, "six nodes' networks, mounts and processes");
  const children = ["C1", "relay"].map((name) => lab.host(name).spawn("sh", ["-c", "trap '' TERM; sleep 1000 & wait"]));
  const ends = children.map((child) => once(child, "exit"));
  assert.notDeepEqual(holdersOf(namespaces), []);
  await Promise.all([lab.close(), lab.close()]);
  await lab.close();
  assert.deepEqual(holdersOf(namespaces), []);
  assert.deepEqual(await Promise.all(ends), [
    [null, "SIGKILL"],
    [null, "SIGKILL"],
  ]);
  assert.deepEqual(hostState(), before);
  assert.ok(took < 1500, `${took} ms`);
});

test("a driver killed by SIGKILL takes its lab with it", options, async () => {
  const child = spawn(process.execPath, [driver, "hold"], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = await once(child.stdout, "data");
  const namespaces = new Set<string>(JSON.parse(String(line)));
  assert.ok(holdersOf(namespaces).length > 4);
  child.kill("SIGKILL");
  await once(child, "exit");
  let left = holdersOf(namespaces);
  for (let tries = 0; tries < 100 && left.length > 0; tries++) {
    await delay(20);
    left = holdersOf(namespaces);
  }
  assert.deepEqual(left, []);
});

test("a child's kill reaches the command, and its end is the command's", options, async () => {
  await withLab(seedScene({ ipv6: false }), async (lab) => {
    const trapping = ["-c", "trap 'echo caught; exit 7' TERM; echo up; while :; do sleep 0.01; done"];
    const polite = lab.host("C1").spawn("sh", trapping);
    assert.ok(polite.stdout);
    await once(polite.stdout, "data");
    assert.ok(polite.kill());
    const [[said], end] = await Promise.all([once(polite.stdout, "data"), once(polite, "exit")]);
    assert.deepEqual([String(said), end], ["caught\n", [7, null]]);

    const rude = lab.host("C1").spawn("sh", trapping);
    assert.ok(rude.stdout);
    await once(rude.stdout, "data");
    rude.kill("SIGKILL");
    assert.deepEqual(await once(rude, "exit"), [null, "SIGKILL"]);

    const folder = await lab.host("C1").run("pwd", []);
    assert.equal(folder.stdout.trim(), process.cwd());
    await assert.rejects(lab.host("C1").run("sleep", ["1000"], { timeoutMs: 100 }), { code: "TOOL_FAILED" });
    await assert.rejects(lab.host("C1").run("sh", ["-c", "echo why >&2; exit 3"]), /code 3: why/);
    assert.throws(() => lab.host("C9"), { code: "BAD_OPTION" });
  });
});

test("a lab needs no rights on the host", options, async () => {
  const command = [process.execPath, driver, "check"];
  // To root this is a user namespace in which it is nobody: the same rights as a plain user, and the checkout stays readable.
  if (process.getuid?.() === 0) command.unshift("unshare", "--user", "--map-user=65534", "--map-group=65534");
  const { uid, mapped, left } = driverSays(command);
  assert.notEqual(uid, 0);
  assert.deepEqual(mapped.sort(), ["10.10.10.112", "fd00:10::112"]);
  assert.equal(left, 0);
});

test("where no lab can be made one sentence says why", asRoot, async () => {
  const forbidden = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", process.execPath, driver, "probe"];
  assert.match(driverSays(forbidden), /may not make namespaces here .*not permitted.*--privileged/);
  const { PATH } = process.env;
  process.env.PATH = "/nonexistent";
  try {
    assert.match((await probeLab()) ?? "", /needs unshare: install util-linux/);
    await assert.rejects(createLab(seedScene()), { code: "TOOL_MISSING" });
  } finally {
    process.env.PATH = PATH;
  }
});

/** What of the host a lab could leave something in. */
function hostState(): string[] {
  const look = (command: string): string => execFileSync("sh", ["-c", `${command} 2>&1 || true`], { encoding: "utf8" });
  const path = "PATH=$PATH:/usr/sbin:/sbin;";
  return ["ls -a /run/netns /run", "nft list tables", "ip -brief link", "grep -c /run/netns /proc/mounts"].map(
    (command) => look(path + command),
  );
}

function driverSays([command = "", ...args]: readonly string[]): ReturnType<typeof JSON.parse> {
  return JSON.parse(execFileSync(command, args, { encoding: "utf8", timeout: 20_000 }));
}
