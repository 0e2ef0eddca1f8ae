import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { stateFolder } from "../../src/config/platform-paths.ts";
import { loadKeys, newKey } from "../../src/config/state-file.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import { systemRandom } from "../../src/core/random.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const load = (path: string, ...streams: string[]) => loadKeys(path, streams, systemRandom);
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

test("a damaged file is named and kept", () =>
  withTempFolder(async (folder) => {
    const path = join(folder, "relay.json");
    const damaged = ["", "{", "[]", '{"version":2,"streams":{}}', '{"version":1,"streams":{"live":{"viewKey":""}}}'];
    for (const text of damaged) {
      await writeFile(path, text);
      await assert.rejects(load(path, "live"), (error) => {
        assert.ok(error instanceof PunchcastError && error.code === "STATE_UNREADABLE", String(error));
        assert.ok(error.message.includes(path) && error.message.includes("damaged"));
        return true;
      });
      assert.equal(await readFile(path, "utf8"), text);
    }
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
