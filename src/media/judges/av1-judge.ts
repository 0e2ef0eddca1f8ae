import { obuType, obuTypes, readAv1Payload } from "../../rtp/payload/av1-inspector.ts";
import { type Judge, videoJudge } from "./judge.ts";

/** OBU types that may be in RTP: no temporal delimiter, tile list or padding, no reserved ones (AV1 RTP §5). */
const legalTypes = new Set<number>([
  obuTypes.sequenceHeader,
  obuTypes.frameHeader,
  obuTypes.tileGroup,
  obuTypes.metadata,
  obuTypes.frame,
  7,
]);

/** Frames that fit: aggregation header and OBU header have seven fixed bits between them. */
const sureAfter = 12;

/** AV1: elements fit to the byte, pieces go on where the packet before said so, and OBU headers are legal. */
export function createAv1Judge(): Judge {
  let wasContinued = false;
  return videoJudge("AV1", sureAfter, ({ packet, follows, step }) => {
    const goesOn = wasContinued;
    wasContinued = false;
    const read = readAv1Payload(packet.payload);
    if (!read.ok) return "against";
    const { continues, continued, elements } = read.value;
    wasContinued = continued;
    if (continued && packet.marker) return "against";
    if (follows && (continues !== goesOn || (continues && step !== 0))) return "against";
    const whole = continues ? elements.slice(1) : elements;
    if (!whole.every(isLegal)) return "against";
    return follows && step !== 0 ? "for" : "nothing";
  });
}

/** Forbidden and reserved bit are 0, the type is one that is sent. */
function isLegal(obu: Uint8Array): boolean {
  return ((obu[0] ?? 0xff) & 0x81) === 0 && legalTypes.has(obuType(obu));
}
