import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { openMedia } from "../../src/send/demux.ts";
import type { MediaTrack } from "../../src/send/media.ts";
import { sampleClipPath } from "../../src/send/sample.ts";
import { needs } from "../support/needs.ts";

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "punchcast-demux-"));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Makes a file in the test's folder and names it. */
async function make(name: string, ...args: string[]): Promise<string> {
  const path = join(folder, name);
  await promisify(execFile)("ffmpeg", ["-loglevel", "error", "-y", ...args, path], { timeout: 60_000 });
  return path;
}

/** Every sample of every track as bytes, with the seconds at which it is shown. */
async function readAll(path: string): Promise<{ codec: string; bytes: Buffer[]; shown: number[] }[]> {
  const media = await openMedia(path);
  try {
    const all = media.tracks.map(async ({ codec, samples, timescale, shiftSeconds }) => ({
      codec,
      bytes: await Promise.all(samples.map(async (sample) => Buffer.from(await media.readSample(sample)))),
      shown: samples.map(({ cts }) => cts / timescale + shiftSeconds),
    }));
    return await Promise.all(all);
  } finally {
    await media.close();
  }
}

function only(tracks: readonly MediaTrack[], codec: string): MediaTrack {
  return tracks.find((track) => track.codec === codec) ?? assert.fail(`no ${codec} track`);
}

test("the bundled clip has its two tracks, in step", async () => {
  const media = await openMedia(sampleClipPath());
  const video = only(media.tracks, "H.264");
  const audio = only(media.tracks, "AAC");
  assert.deepEqual([video.samples.length, video.format.clockRate], [250, 90_000]);
  assert.deepEqual([audio.format.clockRate, audio.format.channels], [48_000, 1]);
  assert.deepEqual(media.skipped, []);
  // The first picture is shown at 0; the sound begins with one frame of encoder delay.
  const [firstPicture] = video.samples;
  assert.ok(Math.abs((firstPicture?.cts ?? 0) / video.timescale + video.shiftSeconds) < 1e-9);
  assert.ok(Math.abs(audio.shiftSeconds + 1024 / 48_000) < 1e-9);
  // As long as it is said to be: the last samples last until then.
  const last = video.samples.at(-1);
  assert.equal((last?.dts ?? 0) + (last?.duration ?? 0), 10 * video.timescale);
  await media.close();
});

test("the same samples come out wherever moov stands and however the file is fragmented", needs("ffmpeg"), async () => {
  const expected = await readAll(sampleClipPath());
  const variants = {
    "last.mp4": [],
    "fragmented.mp4": ["-movflags", "frag_keyframe+empty_moov+delay_moov"],
    "default-base.mp4": ["-movflags", "frag_keyframe+delay_moov+default_base_moof"],
    "separate.mp4": ["-movflags", "frag_keyframe+delay_moov+separate_moof+omit_tfhd_offset"],
    "interleaved.mp4": ["-movflags", "frag_keyframe+delay_moov", "-frag_interleave", "3"],
    "moov-and-moofs.mp4": ["-movflags", "frag_keyframe", "-frag_duration", "700000"],
  };
  for (const [name, args] of Object.entries(variants)) {
    const tracks = await readAll(await make(name, "-i", sampleClipPath(), "-c", "copy", ...args));
    tracks.forEach(({ codec, bytes, shown }, i) => {
      assert.equal(codec, expected[i]?.codec, name);
      assert.ok(bytes.length === expected[i]?.bytes.length, name);
      assert.ok(
        bytes.every((sample, k) => sample.equals(expected[i]?.bytes[k] ?? Buffer.of())),
        `${name}: the ${codec} samples differ`,
      );
      const furthest = Math.max(...shown.map((seconds, k) => Math.abs(seconds - (expected[i]?.shown[k] ?? 0))));
      // ffmpeg cannot write an edit list into a moov that it has to write first: it shifts the pictures themselves.
      assert.ok(furthest < (name === "moov-and-moofs.mp4" ? 0.082 : 0.002), `${name}: ${codec} is ${furthest} s off`);
    });
  }
});

test("a track that starts later is later by its edit list", needs("ffmpeg"), async () => {
  const path = await make(
    "late.mp4",
    "-i",
    sampleClipPath(),
    "-itsoffset",
    "1.5",
    "-i",
    sampleClipPath(),
    ...["-map", "0:v", "-map", "1:a", "-c", "copy"],
  );
  const [video, audio] = await readAll(path);
  assert.ok(Math.abs((video?.shown[0] ?? 0) - 0) < 0.002);
  assert.ok(Math.abs((audio?.shown[0] ?? 0) - (1.5 - 1024 / 48_000)) < 0.002);
});

test("parameter sets that only the stream has get into the SDP", needs("ffmpeg"), async () => {
  const [described, inStream] = await Promise.all(
    ["avc1", "avc3"].map(async (tag) => {
      const media = await openMedia(
        await make(`${tag}.mp4`, "-i", sampleClipPath(), "-an", "-c", "copy", "-bsf:v", "dump_extra", "-tag:v", tag),
      );
      await media.close();
      return media.tracks[0]?.format.parameters;
    }),
  );
  assert.match(described ?? "", /sprop-parameter-sets=Z/);
  assert.equal(inStream, described);
});

test("tracks that cannot be sent are named", needs("ffmpeg"), async () => {
  const subtitles = join(folder, "x.srt");
  await writeFile(subtitles, "1\n00:00:00,000 --> 00:00:01,000\nHello\n");
  const path = await make(
    "subtitled.mp4",
    "-i",
    sampleClipPath(),
    "-i",
    subtitles,
    ...["-c", "copy", "-c:s", "mov_text"],
  );
  const media = await openMedia(path);
  await media.close();
  assert.deepEqual(media.skipped, [{ id: 3, reason: "subtitles tx3g" }]);
  assert.equal(media.tracks.length, 2);
  const source = ["-f", "lavfi", "-i", "testsrc2=d=0.2:s=64x64", "-f", "lavfi", "-i", "sine=d=0.2"];
  const unplayable = await make("unplayable.mp4", ...source, "-c:v", "mpeg4", "-c:a", "mp3");
  await assert.rejects(openMedia(unplayable), {
    code: "NO_PLAYABLE_TRACK",
    message: /track 1: video mp4v, track 2: audio of MPEG object type 0x6b/,
  });
});

test("what is no MP4 file, or only part of one, is said so", async () => {
  const path = join(folder, "broken.mp4");
  const whole = await readFile(sampleClipPath());
  const refuse = async (bytes: Uint8Array, code: string, message: RegExp): Promise<void> => {
    await writeFile(path, bytes);
    await assert.rejects(openMedia(path), { code, message });
  };
  await assert.rejects(openMedia(join(folder, "none.mp4")), { code: "FILE_UNREADABLE", message: /no such file/ });
  await assert.rejects(openMedia(folder), { code: "FILE_UNREADABLE", message: /not a file/ });
  await refuse(new Uint8Array(), "BAD_MEDIA", /not an MP4/);
  await refuse(Buffer.from("A text of some length, which is not a film."), "BAD_MEDIA", /not an MP4/);
  await refuse(whole.subarray(0, 32), "BAD_MEDIA", /no moov/);
  await refuse(whole.subarray(0, 4000), "BAD_MEDIA", /cut off in its moov/);
  await refuse(whole.subarray(0, whole.length - 1), "BAD_MEDIA", /cut off: it has \d+ bytes/);
});

test("bytes of moov that were overwritten never do more than fail as bad media", async (t) => {
  // The library says on the console what it makes of such boxes.
  t.mock.method(console, "error", () => {});
  const path = join(folder, "mutated.mp4");
  const whole = await readFile(sampleClipPath());
  for (let round = 0; round < 200; round++) {
    const bytes = Buffer.from(whole);
    for (let k = 0; k < 4; k++) bytes[32 + ((round * 7919 + k * 104_729) % 8000)] = (round * 31 + k * 17) & 255;
    await writeFile(path, bytes);
    const outcome = await openMedia(path).catch((error: unknown) => error);
    if (outcome instanceof Error)
      assert.match(String((outcome as { code?: string }).code), /BAD_MEDIA|NO_PLAYABLE_TRACK/);
    else await (outcome as Awaited<ReturnType<typeof openMedia>>).close();
  }
});

test("a file that shrinks while it is read is an error of the file", async () => {
  const path = join(folder, "shrinking.mp4");
  await writeFile(path, await readFile(sampleClipPath()));
  const media = await openMedia(path);
  await truncate(path, 10_000);
  const last = media.tracks[0]?.samples.at(-1) ?? assert.fail();
  await assert.rejects(media.readSample(last), { code: "FILE_UNREADABLE", message: /became shorter/ });
  await media.close();
});
