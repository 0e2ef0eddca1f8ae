import { cutEvenly } from "./packetizer.ts";
import type { Recutter } from "./recutter.ts";
import { inspectVp9, readVp9Descriptor, type Vp9Descriptor } from "./vp9-inspector.ts";

/** The descriptor's first byte (RFC 9628 §4.2). */
const bits = { interPredicted: 0x40, startsFrame: 0x08, endsFrame: 0x04 } as const;

/**
 * Recuts VP9. Senders that leave P unset (ffmpeg) get it from the frame's own header: receivers would take every frame for
 * a key frame otherwise.
 */
export function createVp9Recutter(maxPayload: number): Recutter {
  let isInter = false;
  let isLayered = false;
  return (payload, marker) => {
    const read = readVp9Descriptor(payload);
    if (!read.ok) return [];
    const { startsFrame, spatialLayer, length } = read.value;
    if (spatialLayer > 0) isLayered = true;
    if (startsFrame) {
      const facts = inspectVp9(payload);
      isInter = read.value.interPredicted || !(facts.ok && facts.value.keyFrame);
    }
    const head = isLayered ? payload.slice(0, length) : Uint8Array.of(plainDescriptor(read.value, isInter));
    const pieces = cutEvenly(payload.subarray(length), maxPayload - head.length);
    return pieces.map((piece, i) => {
      const bytes = new Uint8Array(head.length + piece.length);
      bytes.set(head);
      if (i > 0) bytes[0] = (bytes[0] ?? 0) & ~bits.startsFrame;
      if (i < pieces.length - 1) bytes[0] = (bytes[0] ?? 0) & ~bits.endsFrame;
      bytes.set(piece, head.length);
      return { bytes, marker: marker && i === pieces.length - 1 };
    });
  };
}

function plainDescriptor({ startsFrame, endsFrame }: Vp9Descriptor, isInter: boolean): number {
  return (isInter ? bits.interPredicted : 0) | (startsFrame ? bits.startsFrame : 0) | (endsFrame ? bits.endsFrame : 0);
}
