import { readUint16, readUint32, writeUint16, writeUint32 } from "../rtp/wire.ts";

/**
 * What passes between the relay and the process that speaks WebRTC, over a pipe, in order:
 *
 *     +--------+------+------+-----------+-----------+---------------+
 *     | length | kind | feed | component |  age (ms) |     bytes     |
 *     |   32   |  8   |  16  |     8     |    16     |               |
 *     +--------+------+------+-----------+-----------+---------------+
 *
 * `length` counts what follows it. A message is JSON in `bytes`; feed, component and age are for packets of media.
 */
export type Frame =
  | { readonly kind: "message"; readonly text: string }
  | {
      readonly kind: "packet";
      /** 0-65535: which stream's. */
      readonly feed: number;
      readonly component: number;
      /** How long ago it came, in whole ms, up to 65,535: the two processes' clocks begin at different times. */
      readonly ageMs: number;
      /** A view when read, which holds during the call. */
      readonly bytes: Uint8Array;
    };

const headLength = 10;
const kinds = { message: 0, packet: 1 } as const;

/** The bytes of a frame. */
export function encodeFrame(frame: Frame): Uint8Array {
  const body = frame.kind === "message" ? Buffer.from(frame.text) : frame.bytes;
  const bytes = new Uint8Array(headLength + body.length);
  writeUint32(bytes, 0, bytes.length - 4);
  bytes[4] = kinds[frame.kind];
  if (frame.kind === "packet") {
    writeUint16(bytes, 5, frame.feed);
    bytes[7] = frame.component;
    writeUint16(bytes, 8, Math.min(0xffff, Math.max(0, Math.round(frame.ageMs))));
  }
  bytes.set(body, headLength);
  return bytes;
}

/** The longest frame: 500 viewers' figures are a quarter of it. What says it is longer is no frame. */
const frameMax = 1 << 20;

/**
 * Cuts what comes out of the pipe into frames; returns what to call with each chunk. `onNonsense` is told once of bytes that
 * are no frames; what comes after them is left out.
 */
export function createFrameReader(
  onFrame: (frame: Frame) => void,
  onNonsense: () => void = () => {},
): (chunk: Uint8Array) => void {
  let rest: Uint8Array = new Uint8Array(0);
  let isOver = false;
  return (chunk) => {
    if (isOver) return;
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = readUint32(bytes, at);
      if (length < headLength - 4 || length > frameMax) {
        isOver = true;
        onNonsense();
        return;
      }
      const end = at + 4 + length;
      if (end > bytes.length) break;
      onFrame(decodeFrame(bytes.subarray(at, end)));
      at = end;
    }
    rest = bytes.subarray(at);
  };
}

function decodeFrame(bytes: Uint8Array): Frame {
  const body = bytes.subarray(headLength);
  if (bytes[4] === kinds.message) return { kind: "message", text: Buffer.from(body).toString() };
  return {
    kind: "packet",
    feed: readUint16(bytes, 5),
    component: bytes[7] ?? 0,
    ageMs: readUint16(bytes, 8),
    bytes: body,
  };
}
