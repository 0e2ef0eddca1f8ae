import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { stateFolder } from "../../src/config/platform-paths.ts";
import { newKey, openStateStore, readAdminToken } from "../../src/config/state-file.ts";
import { parseCidr } from "../../src/core/cidr.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import { systemRandom } from "../../src/core/random.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const open = (path: string) => openStateStore(path, systemRandom);
const load = async (path: string, ...streams: string[]) => (await open(path)).keys(streams);
const isPosix = { skip: process.platform === "win32" ? "Windows has no file modes" : false };

test("a key is 128 random bits in hexadecimal", () => {
  assert.match(newKey(systemRandom), /^[0-9a-f]{32}$/);
  const random = createSeededRandom(1);
  assert.notEqual(newKey(random), newKey(random));
});

test("keys are made once and stay, beside those of streams that come later", () =>
  withTempFolder(async (folder) => {
    const path = join(folder, "deep", "er", "relay.json");
    const first = await load(path, "live");
    assert.deepEqual([...first.keys()], ["live"]);
    assert.notEqual(first.get("live")?.viewKey, first.get("live")?.publishKey);
    const second = await load(path, "live", "other");
    assert.deepEqual(second.get("live"), first.get("live"));
    const third = await load(path, "other");
    assert.deepEqual(third, second);
  }));

test("only its owner can read it, whatever the umask, and the folder that was made for it", isPosix, () =>
  withTempFolder(async (folder) => {
    const umask = process.umask(0);
    try {
      const path = join(folder, "state", "relay.json");
      await load(path, "live");
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.equal((await stat(join(folder, "state"))).mode & 0o777, 0o700);
    } finally {
      process.umask(umask);
    }
  }),
);

test("it is replaced, not rewritten: another file, and nothing left over", isPosix, () =>
  withTempFolder(async (folder) => {
    const path = join(folder, "relay.json");
    await load(path, "live");
    const before = await stat(path);
    await load(path, "live");
    assert.equal((await stat(path)).ino, before.ino, "nothing new, nothing written");
    await load(path, "live", "other");
    assert.notEqual((await stat(path)).ino, before.ino);
    assert.deepEqual(await readdir(folder), ["relay.json"]);
  }),
);

test("a damaged file is set aside under a name that is told, every one of them, and never written over", () =>
  withTempFolder(async (folder) => {
    const path = join(folder, "relay.json");
    const damaged = ["", "{", "[]", '{"version":0,"streams":{}}', '{"version":1,"streams":{"live":{"viewKey":""}}}'];
    const names: string[] = [];
    for (const text of damaged) {
      await writeFile(path, text);
      const store = await open(path);
      const { setAside = "" } = store;
      assert.ok(setAside.startsWith(`${path}.damaged`), setAside);
      assert.equal(await readFile(setAside, "utf8"), text);
      names.push(setAside);
      assert.match((await store.keys(["live"])).get("live")?.viewKey ?? "", /^[0-9a-f]{32}$/);
      assert.equal((await open(path)).setAside, undefined);
    }
    assert.equal(new Set(names).size, damaged.length);
  }));

test("a file of a newer version is refused and left as it is", () =>
  withTempFolder(async (folder) => {
    const path = join(folder, "relay.json");
    const text = '{"version":3,"streams":[]}';
    await writeFile(path, text);
    await assert.rejects(open(path), (error) => error instanceof PunchcastError && /newer/.test(error.message));
    assert.equal(await readFile(path, "utf8"), text);
  }));

test("keys of the first version are taken over; token, created streams and other keys last", () =>
  withTempFolder(async (folder) => {
    const path = join(folder, "relay.json");
    const old = { viewKey: "old-view", publishKey: "old-publish" };
    await writeFile(path, JSON.stringify({ version: 1, streams: { live: old } }));
    assert.equal(await readAdminToken(path), undefined);
    const store = await open(path);
    const token = await store.adminToken();
    assert.match(token, /^[0-9a-f]{32}$/);
    assert.equal(await store.adminToken(), token);
    const from = [parseCidr("192.0.2.0/24") ?? assert.fail()];
    const fields = { components: 2, takeover: true, viewKey: "v", publishKey: "p" };
    const [camera, drone] = [
      { ...fields, name: "camera", ingestPort: 9200, from },
      { ...fields, name: "constructor", ingestPort: undefined, from: [] },
    ];
    await Promise.all([store.saveStream(camera), store.saveStream(drone)]);
    await store.saveKeys("camera", { viewKey: "other", publishKey: "p" });
    const again = await open(path);
    assert.deepEqual(again.created(), [{ ...camera, viewKey: "other" }, drone]);
    assert.deepEqual((await again.keys([])).get("live"), old);
    assert.deepEqual([await again.adminToken(), await readAdminToken(path)], [token, token]);
    await again.forgetStream("camera");
    assert.deepEqual((await open(path)).created(), [drone]);
  }));

test("a place that cannot be written is named", () =>
  withTempFolder(async (folder) => {
    const path = join(folder, "relay.json");
    await mkdir(path);
    await assert.rejects(
      load(path, "live"),
      (error) => error instanceof PunchcastError && error.code === "STATE_UNREADABLE" && error.message.includes(path),
    );
    // Short enough to be looked for, too long for the temporary file beside it: so even root cannot write it.
    const nowhere = join(folder, "n".repeat(250));
    await assert.rejects(
      load(nowhere, "live"),
      (error) => error instanceof PunchcastError && error.code === "FILE_UNWRITABLE" && error.message.includes(nowhere),
    );
  }));

test("the platform's place for state", () => {
  assert.equal(stateFolder({ STATE_DIRECTORY: "/var/lib/punchcast:/other" }, "linux"), "/var/lib/punchcast");
  assert.equal(stateFolder({ XDG_STATE_HOME: "/state" }, "linux"), "/state/punchcast");
  assert.match(stateFolder({}, "linux"), /\.local\/state\/punchcast$/);
  assert.match(stateFolder({}, "darwin"), /Library\/Application Support\/punchcast$/);
  assert.match(stateFolder({ LOCALAPPDATA: "C:/Local" }, "win32"), /C:.Local.punchcast$/);
});
