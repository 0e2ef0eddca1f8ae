import { h264Layout, h265Layout, type NalLayout, readNalPayload } from "../../rtp/payload/nal-payload.ts";
import { type Judge, type Verdict, videoJudge } from "./judge.ts";

/** What a NAL unit's first bytes say: a slice that begins a picture, another slice, something else that is legal, or junk. */
type UnitKind = "first-slice" | "slice" | "other" | "illegal";

/** Pictures and cut NAL units that fit: each by chance in one of four or eight payloads that are none. */
const sureAfter = 12;

/** H.264 (RFC 6184), packetization modes 0 and 1. */
export function createH264Judge(): Judge {
  return nalJudge("H264", h264Layout, h264UnitKind);
}

/** H.265 (RFC 7798) without DONL fields. */
export function createH265Judge(): Judge {
  return nalJudge("H265", h265Layout, h265UnitKind);
}

function nalJudge(
  codec: string,
  layout: NalLayout,
  unitKind: (header: Uint8Array, body: Uint8Array) => UnitKind,
): Judge {
  /** The type of the NAL unit whose last fragment has not come yet. */
  let open: number | undefined;
  let slicesOfPicture = 0;

  function judgeUnit(header: Uint8Array, body: Uint8Array, isPictureWhole: boolean): Verdict {
    const kind = unitKind(header, body);
    if (kind === "illegal") return "against";
    if (kind === "other") return "nothing";
    slicesOfPicture += 1;
    if (!isPictureWhole) return "nothing";
    return (kind === "first-slice") === (slicesOfPicture === 1) ? "for" : "against";
  }

  let isPictureWhole = false;
  return videoJudge(codec, sureAfter, ({ packet, follows, step }) => {
    if (!follows || step !== 0) {
      slicesOfPicture = 0;
      isPictureWhole = follows;
    }
    const wasOpen = follows ? open : undefined;
    open = undefined;
    const read = readNalPayload(packet.payload, layout);
    if (!read.ok) return "against";
    if (read.value.form === "whole") {
      if (wasOpen !== undefined) return "against";
      const verdicts = read.value.nalUnits.map((nalUnit) =>
        judgeUnit(nalUnit.subarray(0, layout.headerLength), nalUnit.subarray(layout.headerLength), isPictureWhole),
      );
      return verdicts.includes("against") ? "against" : verdicts.includes("for") ? "for" : "nothing";
    }
    const { first, last, type, body } = read.value;
    if (!last) open = type;
    if (first) {
      if (wasOpen !== undefined) return "against";
      return judgeUnit(layout.originalHeader(packet.payload), body, isPictureWhole);
    }
    if (!follows) return "nothing";
    return wasOpen === type && step === 0 ? (last ? "for" : "nothing") : "against";
  });
}

/** NAL unit types of H.264 that senders use: slices, IDR, SEI, SPS, PPS, delimiter, ends, filler, extensions. */
const h264Types = new Set([1, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19, 20]);

/** SEI, delimiter, ends and filler are never referred to, so their nal_ref_idc is 0 (H.264 §7.4.1). */
const h264Unreferenced = new Set([6, 9, 10, 11, 12]);

function h264UnitKind([header = 0]: Uint8Array, body: Uint8Array): UnitKind {
  const type = header & 0x1f;
  const isReferenced = (header & 0x60) !== 0;
  if (!h264Types.has(type) || (isReferenced && h264Unreferenced.has(type))) return "illegal";
  if (type !== 1 && type !== 5) return "other";
  if (type === 5 && !isReferenced) return "illegal";
  // first_mb_in_slice and slice_type, both in Exp-Golomb code (§7.3.3); there are ten slice types (Table 7-6).
  const firstMb = readExpGolomb(body, 0);
  const sliceType = readExpGolomb(body, firstMb.end);
  if (sliceType.value > 9) return "illegal";
  return firstMb.value === 0 ? "first-slice" : "slice";
}

function h265UnitKind([first = 0, second = 0]: Uint8Array, body: Uint8Array): UnitKind {
  const type = (first >>> 1) & 0x3f;
  const layer = ((first & 1) << 5) | (second >>> 3);
  const temporalId = second & 0x07;
  // nuh_temporal_id_plus1 is never 0, and 1 in random access pictures and parameter sets (H.265 §7.4.2.2).
  if (temporalId === 0) return "illegal";
  const isRandomAccess = type >= 16 && type <= 21;
  if ((isRandomAccess || type === 32 || type === 33) && temporalId !== 1) return "illegal";
  const isLegal = type <= 9 || isRandomAccess || (type >= 32 && type <= 40);
  if (!isLegal) return "illegal";
  // Slices of upper layers, which multi-layer streams have, say nothing about the base layer's picture.
  if (type >= 32 || layer !== 0) return "other";
  return ((body[0] ?? 0) & 0x80) !== 0 ? "first-slice" : "slice";
}

/** Zeros, a one, and as many bits as there were zeros (H.264 §9.1). `value` is infinite if that is not all there. */
function readExpGolomb(bytes: Uint8Array, start: number): { value: number; end: number } {
  const bit = (at: number): number => ((bytes[at >>> 3] ?? 0) >>> (7 - (at & 7))) & 1;
  let zeros = 0;
  while (zeros < 24 && bit(start + zeros) === 0) zeros += 1;
  const end = start + 2 * zeros + 1;
  if (zeros === 24 || end > bytes.length * 8) return { value: Number.POSITIVE_INFINITY, end };
  let value = 0;
  for (let at = start + zeros; at < end; at += 1) value = value * 2 + bit(at);
  return { value: value - 1, end };
}
