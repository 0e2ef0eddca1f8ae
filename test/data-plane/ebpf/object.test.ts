import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { type CodeSection, decodeBpfObject } from "../../../src/data-plane/ebpf/elf.ts";
import { mapNames } from "../../../src/data-plane/ebpf/maps.ts";
import { linkProgram, objectPath } from "../../../src/data-plane/ebpf/program.ts";
import { needs } from "../../support/needs.ts";
import { withTempFolder } from "../../support/temp-folder.ts";

async function sections(path: string): Promise<readonly CodeSection[]> {
  const object = decodeBpfObject(await readFile(path));
  assert.ok(object.ok);
  return object.value;
}

test("the object that comes with the package is what the source compiles to", needs("clang"), async (t) => {
  const { scripts } = JSON.parse(await readFile("package.json", "utf8"));
  const run = promisify(execFile);
  const { stdout: version } = await run("clang", ["--version"]);
  // Another compiler may order the same program differently.
  if (!version.includes("version 14.")) return t.skip("the object was made by clang 14");
  await withTempFolder(async (folder) => {
    const path = join(folder, "fanout.o");
    const [command, ...args] = scripts["build:bpf"].replace("assets/bpf/fanout.o", path).split(" ");
    await run(command, args);
    assert.deepEqual(await sections(path), await sections(objectPath()), "run npm run build:bpf");
  });
});

test("the object names the loader's maps and no others, and its callbacks are linked behind the entry", async () => {
  const object = await sections(objectPath());
  const own = new Set(object.map(({ name }) => name));
  const named = new Set(object.flatMap(({ relocations }) => relocations.map(({ symbol }) => symbol)));
  assert.deepEqual([...named].filter((name) => !own.has(name)).sort(), [...mapNames].sort());
  const fds = new Map<string, number>(mapNames.map((name, i) => [name, 100 + i]));
  const { code, functionOffsets } = linkProgram(object, (name) => fds.get(name));
  assert.equal(functionOffsets.length, 5);
  assert.equal(functionOffsets[0], 0);
  for (const offset of functionOffsets.slice(1))
    assert.match(String(code[offset * 8 - 8]), /^(5|149)$/, "after a jump or an exit");
  const loads = Array.from({ length: code.length / 8 }, (_, i) => i).filter((i) => code[i * 8] === 0x18);
  for (const i of loads) {
    const [source, value] = [(code[i * 8 + 1] ?? 0) >> 4, code.readInt32LE(i * 8 + 4)];
    if (source === 1) assert.ok(value >= 100 && value < 100 + mapNames.length);
    if (source === 4) assert.ok(functionOffsets.includes(i + value + 1));
  }
  assert.throws(() => linkProgram(object, () => undefined), { code: "INTERNAL" });
});

test("what is no BPF object is refused with the reason", async () => {
  const object = await readFile(objectPath());
  assert.deepEqual(decodeBpfObject(Buffer.from("hello")), { ok: false, reason: "not-a-bpf-object" });
  assert.deepEqual(decodeBpfObject(object.subarray(0, 2000)), { ok: false, reason: "truncated" });
  const native = Buffer.from(object);
  native.writeUInt16LE(62, 18);
  assert.deepEqual(decodeBpfObject(native), { ok: false, reason: "not-a-bpf-object" });
});
