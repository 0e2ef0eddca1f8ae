import assert from "node:assert/strict";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { readBox, readTopLevelBoxes, type TopLevelBox } from "../../src/send/top-level-boxes.ts";

/** A header with 32 or 64 bits of size. */
function header(type: string, size: number, wide = false): Buffer {
  const bytes = Buffer.alloc(wide ? 16 : 8);
  bytes.writeUInt32BE(wide ? 1 : size);
  bytes.write(type, 4, "latin1");
  if (wide) bytes.writeBigUInt64BE(BigInt(size), 8);
  return bytes;
}

async function boxesOf(...parts: Buffer[]): Promise<{ boxes: TopLevelBox[]; read: (Uint8Array | undefined)[] }> {
  const folder = await mkdtemp(join(tmpdir(), "punchcast-boxes-"));
  const bytes = Buffer.concat(parts);
  await writeFile(join(folder, "x"), bytes);
  const file = await open(join(folder, "x"));
  try {
    const boxes = await readTopLevelBoxes(file, bytes.length);
    return { boxes, read: await Promise.all(boxes.map((box) => readBox(file, box, bytes.length))) };
  } finally {
    await file.close();
    await rm(folder, { recursive: true });
  }
}

test("boxes with every kind of size are found and read", async () => {
  const { boxes, read } = await boxesOf(
    ...[header("ftyp", 12), Buffer.alloc(4), header("mdat", 20, true), Buffer.alloc(4)],
    ...[header("free", 8), header("mdat", 0), Buffer.alloc(9)],
  );
  assert.deepEqual(boxes, [
    { type: "ftyp", start: 0, size: 12 },
    { type: "mdat", start: 12, size: 20 },
    { type: "free", start: 32, size: 8 },
    { type: "mdat", start: 40, size: 17 },
  ]);
  assert.deepEqual(
    read.map((bytes) => bytes?.length),
    [12, 20, 8, 17],
  );
});

test("a box that was cut is found and not read; junk ends the search", async () => {
  const cut = await boxesOf(header("moov", 100), Buffer.alloc(50));
  assert.deepEqual([cut.boxes.length, cut.read], [1, [undefined]]);
  for (const junk of [header("\u0001abc", 8), header("free", 7), header("mdat", 15, true), header("mdat", 1)]) {
    assert.equal((await boxesOf(header("ftyp", 8), junk)).boxes.length, 1);
  }
  assert.deepEqual((await boxesOf(Buffer.alloc(7))).boxes, []);
});
