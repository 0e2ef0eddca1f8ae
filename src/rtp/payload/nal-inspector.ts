import { type NalLayout, readNalPayload } from "./nal-payload.ts";
import { type PayloadInspector, payloadFacts } from "./payload-facts.ts";

/** What a NAL unit is to the picture it belongs to. */
export type NalRole = "starts-picture" | "key-frame" | "parameter-set" | "other";

/** The payload type of a recovery point SEI message, the same in H.264 (Annex D.1.8) and H.265 (Annex D.2.8). */
const recoveryPoint = 6;

/** An inspector for a codec of NAL units; `roleOf` sees a unit's type and what follows its header, perhaps cut short. */
export function nalInspector(layout: NalLayout, roleOf: (type: number, body: Uint8Array) => NalRole): PayloadInspector {
  return (payload) => {
    const read = readNalPayload(payload, layout);
    if (!read.ok) return read;
    if (read.value.form === "fragment") {
      const { first, type, body } = read.value;
      const role = first ? roleOf(type, body) : "other";
      return payloadFacts(role !== "other", role === "key-frame");
    }
    let startsPicture = false;
    let keyFrame = false;
    let parameterSets: Uint8Array[] | undefined;
    for (const nalUnit of read.value.nalUnits) {
      const role = roleOf(layout.typeOf(nalUnit[0] ?? 0), nalUnit.subarray(layout.headerLength));
      if (role === "other") continue;
      startsPicture = true;
      if (role === "key-frame") keyFrame = true;
      else if (role === "parameter-set") {
        parameterSets ??= [];
        parameterSets.push(nalUnit);
      }
    }
    return payloadFacts(startsPicture, keyFrame, parameterSets);
  };
}

/** Whether SEI messages hold a recovery point: where a stream with periodic intra refresh or an open GOP can be joined. */
export function hasRecoveryPoint(sei: Uint8Array): boolean {
  let at = 0;
  const take = (): number => {
    let value = 0;
    while (sei[at] === 0xff) {
      value += 255;
      at += 1;
    }
    value += sei[at] ?? 0;
    at += 1;
    return value;
  };
  // 0x80 alone is the trailing bits after the last message.
  while (at < sei.length && sei[at] !== 0x80) {
    if (take() === recoveryPoint) return true;
    const size = take();
    at += size;
  }
  return false;
}
