import { type FileHandle, open } from "node:fs/promises";
import { createFile, type ISOFile, MP4BoxBuffer } from "mp4box";
import { PunchcastError, systemErrorCode } from "../core/errors.ts";
import { chooseCodec } from "./codec.ts";
import { applyEdits } from "./edit-list.ts";
import { appendFragment } from "./fragments.ts";
import type { Media, MediaSample, MediaTrack, SkippedTrack } from "./media.ts";
import { listSamples } from "./sample-table.ts";
import { readBox, readTopLevelBoxes, type TopLevelBox } from "./top-level-boxes.ts";

/** What an MP4 file's outermost level may begin with. */
const leadingTypes = ["ftyp", "styp", "moov", "mdat", "free", "skip", "wide", "pnot", "uuid"];

/**
 * Opens an MP4 file for sending. Reads its `moov` (first or last) and `moof` boxes; samples are read one by one later, so
 * a file's size does not matter. The caller closes what it gets.
 *
 * Throws `PunchcastError`: `FILE_UNREADABLE`, `BAD_MEDIA` (no MP4, no `moov`, cut off) or `NO_PLAYABLE_TRACK`.
 */
export async function openMedia(path: string): Promise<Media> {
  const file = await open(path, "r").catch((error: unknown) => {
    const remedy = systemErrorCode(error) === "ENOENT" ? "there is no such file" : "check its rights";
    throw new PunchcastError("FILE_UNREADABLE", `Cannot open ${path}: ${remedy}.`, error);
  });
  try {
    return await readMedia(path, file);
  } catch (error) {
    await file.close();
    if (error instanceof PunchcastError) throw error;
    throw badMedia(path, "has boxes that make no sense", error);
  }
}

async function readMedia(path: string, file: FileHandle): Promise<Media> {
  const stat = await file.stat();
  if (!stat.isFile()) throw new PunchcastError("FILE_UNREADABLE", `${path} is not a file: name an MP4 file.`);
  const boxes = await readTopLevelBoxes(file, stat.size);
  if (!leadingTypes.includes(boxes[0]?.type ?? "")) {
    throw new PunchcastError(
      "BAD_MEDIA",
      `${path} is not an MP4 file: convert it, as in \`ffmpeg -i ${path} out.mp4\`.`,
    );
  }
  const load = async (box: TopLevelBox): Promise<ISOFile> => {
    const bytes = await readBox(file, box, stat.size);
    if (bytes === undefined) throw badMedia(path, `is cut off in its ${box.type} box`);
    return parseBox(bytes);
  };
  const moovBox = boxes.find((box) => box.type === "moov");
  if (moovBox === undefined) throw badMedia(path, "has no moov box, so nothing says what is in it");
  const { moov } = await load(moovBox);
  const lists = new Map(moov.traks.map((trak) => [trak.tkhd.track_id, listSamples(trak)]));
  const defaults = new Map((moov.mvex?.trexs ?? []).map((trex) => [trex.track_id, trex]));
  for (const box of boxes) {
    if (box.type !== "moof") continue;
    const [moof] = (await load(box)).moofs;
    if (moof !== undefined) appendFragment(moof, box.start, lists, defaults);
  }
  const read = async ({ offset, size }: MediaSample): Promise<Uint8Array> => {
    const bytes = new Uint8Array(size);
    const { bytesRead } = await file.read(bytes, 0, size, offset).catch((error: unknown) => {
      throw new PunchcastError("FILE_UNREADABLE", `Cannot read ${path} at byte ${offset}: check the disk.`, error);
    });
    if (bytesRead === size) return bytes;
    throw new PunchcastError("FILE_UNREADABLE", `${path} became shorter while it was sent: leave it alone meanwhile.`);
  };
  const tracks: MediaTrack[] = [];
  const skipped: SkippedTrack[] = [];
  for (const trak of moov.traks) {
    const id = trak.tkhd.track_id;
    const list = mendLast(lists.get(id) ?? []);
    const timescale = trak.mdia.mdhd.timescale;
    const edits = (trak.edts?.elst?.entries ?? []).map((entry) => ({
      duration: entry.segment_duration,
      mediaTime: entry.media_time,
    }));
    const { shiftSeconds, samples } = applyEdits(edits, list, timescale, moov.mvhd.timescale);
    const [first] = samples;
    const codec = first && timescale > 0 ? await chooseCodec(trak, () => read(first)) : undefined;
    if (codec === undefined) skipped.push({ id, reason: "empty" });
    else if (!codec.ok) skipped.push({ id, reason: codec.reason });
    else {
      const cut = samples.find((sample) => sample.offset + sample.size > stat.size);
      if (cut !== undefined)
        throw badMedia(path, `is cut off: it has ${stat.size} bytes, and track ${id} goes further`);
      tracks.push({ id, ...codec.value, timescale, shiftSeconds, samples });
    }
  }
  if (tracks.length === 0) {
    const found = skipped.map(({ id, reason }) => `track ${id}: ${reason}`).join(", ") || "no tracks";
    const remedy = "convert it to H.264, H.265, AAC or Opus";
    throw new PunchcastError("NO_PLAYABLE_TRACK", `${path} has no track that can be sent (${found}): ${remedy}.`);
  }
  return { path, tracks, skipped, readSample: read, close: () => file.close() };
}

/** Lets the library parse one box, as if it were a file of its own. */
function parseBox(bytes: Uint8Array): ISOFile {
  const file = createFile();
  // Keeps the library from listing the samples, which `listSamples` does.
  file.sampleListBuilt = true;
  file.appendBuffer(MP4BoxBuffer.fromArrayBuffer(bytes.buffer, 0), true);
  return file;
}

/** Some writers give the last sample no duration: it then lasts as long as the one before. */
function mendLast(samples: readonly MediaSample[]): readonly MediaSample[] {
  const last = samples.at(-1);
  const before = samples.at(-2);
  if (last === undefined || before === undefined || last.duration > 0) return samples;
  return [...samples.slice(0, -1), { ...last, duration: before.duration }];
}

function badMedia(path: string, what: string, cause?: unknown): PunchcastError {
  const remedy = `write it anew, as in \`ffmpeg -i ${path} -c copy out.mp4\``;
  return new PunchcastError("BAD_MEDIA", `${path} ${what}: ${remedy}.`, cause);
}
