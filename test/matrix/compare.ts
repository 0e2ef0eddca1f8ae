import type { DecodedMedia } from "../support/ffmpeg.ts";

/** How what a player showed compares with what was sent. */
export interface Comparison {
  /** Of the pictures sent, which one came first and last; both -1 if none did. */
  readonly first: number;
  readonly last: number;
  readonly sent: number;
  /** Samples of sound that follow on each other as they were sent, in seconds, and those sent after the last of them. */
  readonly soundSeconds: number;
  readonly soundMissingSeconds: number;
  /** What is wrong; empty if all is as it was sent, from the first picture on. */
  readonly faults: readonly string[];
}

/** What may differ without being noticed. */
export interface Tolerance {
  /** Pictures at the end that a player keeps in its decoder when it is closed. */
  readonly tailPictures: number;
  /** The same of its sound, and what it fills up at the end by itself. */
  readonly tailSeconds: number;
  /** Of a sample's 16 bits: decoders that begin in the middle carry a little of what they had not. */
  readonly sampleError: number;
}

/** What a decoder says of the first moment depends on what came before it. */
const settleSeconds = 0.5;
const [rate, bytesPerSample] = [48_000, 2] as const;

/** Compares; pictures by their hashes, sound sample by sample. */
export function compare(got: DecodedMedia, sent: DecodedMedia, channels: number, tolerance: Tolerance): Comparison {
  const faults: string[] = [];
  const { first, count } = align(got.pictures, sent.pictures);
  const last = first + count - 1;
  if (count === 0) faults.push(`none of ${got.pictures.length} pictures was sent`);
  else if (count < got.pictures.length) {
    faults.push(`picture ${last + 1} of ${got.pictures.length - count} left is missing, another one or there twice`);
  } else if (sent.pictures.length - 1 - last > tolerance.tailPictures) faults.push(`ends with picture ${last}`);
  const sound = compareSound(got.sound, sent.sound, channels, tolerance);
  if (sound.fault !== undefined) faults.push(sound.fault);
  else if (sound.missing > tolerance.tailSeconds) faults.push(`${sound.missing.toFixed(2)} s of sound are missing`);
  const seconds = { soundSeconds: sound.seconds, soundMissingSeconds: sound.missing };
  return { first, last, sent: sent.pictures.length, ...seconds, faults };
}

/** The longest run of the first pictures that was sent so. */
function align(got: readonly string[], sent: readonly string[]): { readonly first: number; readonly count: number } {
  let best = { first: -1, count: 0 };
  for (let first = sent.indexOf(got[0] ?? ""); first !== -1; first = sent.indexOf(got[0] ?? "", first + 1)) {
    let count = 0;
    while (count < got.length && got[count] === sent[first + count]) count += 1;
    if (count >= best.count) best = { first, count };
  }
  return best;
}

interface SoundComparison {
  readonly seconds: number;
  readonly missing: number;
  readonly fault?: string;
}

function compareSound(gotBytes: Buffer, sentBytes: Buffer, channels: number, tolerance: Tolerance): SoundComparison {
  const [got, sent] = [samplesOf(gotBytes, channels), samplesOf(sentBytes, channels)];
  const from = settleSeconds * rate;
  if (got.length < 2 * from) return { seconds: 0, missing: 0, fault: `only ${got.length} samples of sound` };
  const offset = locate(got.subarray(from, from + 256), sent) - from;
  let at = from;
  while (at < got.length && at + offset < sent.length && differs(got, sent, at, offset) <= tolerance.sampleError)
    at += 1;
  const seconds = (at - from) / rate;
  const missing = (sent.length - at - offset) / rate;
  if (at === got.length || missing <= tolerance.tailSeconds) return { seconds, missing };
  const where = ((at + offset) / rate).toFixed(3);
  return { seconds, missing, fault: `sound differs by ${differs(got, sent, at, offset)} at ${where} s` };
}

const differs = (got: Int16Array, sent: Int16Array, at: number, offset: number): number =>
  Math.abs((got[at] ?? 0) - (sent[at + offset] ?? 0));

/** The first channel. */
function samplesOf(bytes: Buffer, channels: number): Int16Array {
  const frame = bytesPerSample * channels;
  const samples = new Int16Array(Math.floor(bytes.length / frame));
  for (let i = 0; i < samples.length; i += 1) samples[i] = bytes.readInt16LE(i * frame);
  return samples;
}

/** Where in `sent` the samples fit best. */
function locate(samples: Int16Array, sent: Int16Array): number {
  let best = { at: 0, error: Number.POSITIVE_INFINITY };
  for (let at = 0; at + samples.length <= sent.length; at += 1) {
    let error = 0;
    for (let i = 0; i < samples.length && error < best.error; i += 4) error += differs(samples, sent, i, at);
    if (error < best.error) best = { at, error };
  }
  return best.at;
}
