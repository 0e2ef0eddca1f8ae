import { opusFormat } from "../../src/rtp/payload/opus.ts";
import type { PayloadFormat } from "../../src/rtp/payload/packetizer.ts";
import type { Media, MediaSample, MediaTrack } from "../../src/send/media.ts";

/** Video at 25 frames a second whose frames are cut into pieces of 100 bytes, so that a test can count on them. */
const pieces: PayloadFormat = {
  kind: "video",
  encodingName: "H264",
  clockRate: 90_000,
  parameters: "packetization-mode=1",
  packetizer: () => (frame) =>
    Array.from({ length: Math.ceil(frame.length / 100) }, (_, i) => ({
      bytes: frame.subarray(i * 100, (i + 1) * 100),
      marker: (i + 1) * 100 >= frame.length,
    })),
};

/** Frames in coding order with their places in showing order: I, P, B, B as encoders with B-frames write them. */
const reorder = [0, 3, 1, 2];

/** A video track of `frames` frames of `bytes` bytes (a multiple of four of them, with B-frames shown two frames later). */
export function videoTrack(frames: number, bytes: number): MediaTrack {
  const samples = Array.from({ length: frames }, (_, i): MediaSample => {
    const shown = i - (i % 4) + (reorder[i % 4] ?? 0);
    return { offset: 0, size: bytes, dts: i * 512, cts: (shown + 2) * 512, duration: 512 };
  });
  return { id: 1, codec: "H.264", format: pieces, timescale: 12_800, shiftSeconds: -0.08, samples };
}

/** An Opus track of `packets` packets of 20 ms, with 6.5 ms of encoder delay. */
export function audioTrack(packets: number): MediaTrack {
  const samples = Array.from({ length: packets }, (_, i): MediaSample => {
    return { offset: 0, size: 50, dts: i * 960, cts: i * 960, duration: 960 };
  });
  return { id: 2, codec: "Opus", format: opusFormat(2), timescale: 48_000, shiftSeconds: -0.0065, samples };
}

/** A file that is not there. `read` replaces what reading a sample gives. */
export function memoryMedia(tracks: readonly MediaTrack[], read?: Media["readSample"]): Media {
  const readSample = read ?? (({ size }: MediaSample) => Promise.resolve(new Uint8Array(size)));
  return { path: "/films/memory.mp4", tracks, skipped: [], readSample, close: () => Promise.resolve() };
}
