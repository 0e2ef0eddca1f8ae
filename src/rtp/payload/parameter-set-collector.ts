import type { RtpPacket } from "../header.ts";
import { h264Layout, h265Layout, type NalLayout, readNalPayload } from "./nal-payload.ts";

/** Collects the parameter sets that an H.264 or H.265 stream carries itself. */
export interface ParameterSetCollector {
  /** Takes one packet of the source, in the order of arrival. */
  onPacket(packet: Pick<RtpPacket, "sequenceNumber" | "timestamp" | "payload">): void;
  /** The sets of the newest access unit that had SPS and PPS, in the stream's order; copies. Empty before. */
  sets(): ParameterSets;
}

/** NAL units with their headers. */
export interface ParameterSets {
  /** H.265 only. */
  readonly vps: readonly Uint8Array[];
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
}

/** NAL unit types of the sets (H.264 Table 7-1, H.265 Table 7-1). */
const kinds = {
  H264: new Map<number, keyof ParameterSets>([
    [7, "sps"],
    [8, "pps"],
  ]),
  H265: new Map<number, keyof ParameterSets>([
    [32, "vps"],
    [33, "sps"],
    [34, "pps"],
  ]),
};

/** Sets are tens of bytes; one of thousands would not fit into a session description that players read. */
const maxSetLength = 4096;

/** More pictures' parameters than any encoder sends at a time, few enough for one fmtp line. */
const maxSetsOfAKind = 8;

/** Makes a collector; sets in single NAL units, aggregation packets and fragments are found. */
export function createParameterSetCollector(codec: "H264" | "H265"): ParameterSetCollector {
  const layout: NalLayout = codec === "H264" ? h264Layout : h265Layout;
  const kindOf = kinds[codec];
  let timestamp = -1;
  let found: Record<keyof ParameterSets, Uint8Array[]> = { vps: [], sps: [], pps: [] };
  let before: ParameterSets = { vps: [], sps: [], pps: [] };
  let pieces: Uint8Array[] = [];
  let nextSequenceNumber = -1;

  function isComplete(): boolean {
    return found.sps.length > 0 && found.pps.length > 0;
  }

  function add(kind: keyof ParameterSets, nalUnit: Uint8Array, at: number): void {
    // A picture parameter set may be renewed alone; anything else begins a new set of sets.
    if (at !== timestamp && kind !== "pps") {
      before = isComplete() ? found : before;
      found = { vps: [], sps: [], pps: [] };
      timestamp = at;
    }
    const known = found[kind];
    const isKnown = known.some((other) => Buffer.compare(other, nalUnit) === 0);
    if (!isKnown && known.length < maxSetsOfAKind && nalUnit.length <= maxSetLength) known.push(nalUnit.slice());
  }

  return {
    sets: () => (isComplete() ? found : before),
    onPacket({ sequenceNumber, timestamp: at, payload }) {
      const read = readNalPayload(payload, layout);
      if (!read.ok) return;
      if (read.value.form === "whole") {
        for (const nalUnit of read.value.nalUnits) {
          const kind = kindOf.get(layout.typeOf(nalUnit[0] ?? 0));
          if (kind !== undefined) add(kind, nalUnit, at);
        }
        return;
      }
      const { type, first, last, body } = read.value;
      const kind = kindOf.get(type);
      if (kind === undefined) return;
      if (first) pieces = [layout.originalHeader(payload)];
      else if (sequenceNumber !== nextSequenceNumber) pieces = [];
      if (pieces.length === 0) return;
      pieces.push(body.slice());
      nextSequenceNumber = (sequenceNumber + 1) & 0xffff;
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      if (last) add(kind, Buffer.concat(pieces), at);
      if (last || length > maxSetLength) pieces = [];
    },
  };
}
