import assert from "node:assert/strict";
import { test } from "node:test";
import type { DecodedMedia } from "../support/ffmpeg.ts";
import { compare } from "./compare.ts";

const tolerance = { tailPictures: 2, tailSeconds: 0.1, sampleError: 2 };
const rate = 48_000;

/** A chirp, so that no moment is like another. */
function sound(seconds: number): Buffer {
  const bytes = Buffer.alloc(2 * seconds * rate);
  for (let i = 0; i < seconds * rate; i += 1) {
    const t = i / rate;
    bytes.writeInt16LE(Math.round(9_000 * Math.sin(2 * Math.PI * (300 + 100 * t) * t)), 2 * i);
  }
  return bytes;
}

const sent: DecodedMedia = { pictures: Array.from({ length: 50 }, (_, i) => `p${i}`), sound: sound(3) };
const faultsOf = (got: Partial<DecodedMedia>): readonly string[] =>
  compare({ ...sent, ...got }, sent, 1, tolerance).faults;

test("what begins late and is otherwise the same has no fault; all else has", () => {
  const { pictures } = sent;
  const cut = rate * 2;
  assert.deepEqual(faultsOf({ pictures: pictures.slice(25, 48), sound: sent.sound.subarray(cut) }), []);
  assert.equal(faultsOf({ pictures: pictures.slice(25, 40) }).length, 1, "the end is missing");
  assert.equal(faultsOf({ pictures: pictures.toSpliced(30, 1) }).length, 1, "a picture is missing");
  assert.equal(faultsOf({ pictures: pictures.toSpliced(30, 0, "p29") }).length, 1, "a picture is there twice");
  assert.equal(faultsOf({ pictures: pictures.toSpliced(30, 1, "other") }).length, 1);
  assert.equal(faultsOf({ pictures: [] }).length, 1);
  const gap = Buffer.concat([sent.sound.subarray(0, cut), sent.sound.subarray(cut + 960)]);
  assert.equal(faultsOf({ sound: gap }).length, 1, "10 ms of sound are missing");
  assert.equal(faultsOf({ sound: sent.sound.subarray(0, cut * 2) }).length, 1, "the last second of sound is missing");
});
