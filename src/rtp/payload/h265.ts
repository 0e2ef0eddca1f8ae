import { type NalUnitFormat, packNalUnits, splitNalUnits } from "./nal-unit.ts";
import { type PayloadFormat, withMarker } from "./packetizer.ts";

/** What an MP4's `hvcC` says about an H.265 track. */
export interface H265Config {
  /** NAL units with their two header bytes. Empty if the stream carries them itself. */
  readonly videoParameterSets: readonly Uint8Array[];
  readonly sequenceParameterSets: readonly Uint8Array[];
  readonly pictureParameterSets: readonly Uint8Array[];
  /** Bytes of length before each NAL unit of a sample: 1, 2 or 4. */
  readonly lengthSize: number;
}

/** NAL unit types (H.265 Table 7-1, RFC 7798 §4.4). Types 16-23 are the pictures where decoding can begin. */
const nalTypes = {
  firstRandomAccess: 16,
  lastRandomAccess: 23,
  vps: 32,
  sps: 33,
  pps: 34,
  accessUnitDelimiter: 35,
  aggregation: 48,
  fragmentation: 49,
} as const;

/** The clock that RFC 7798 §7.1 demands. */
const clockRate = 90_000;

/**
 * H.265 in RTP (RFC 7798) in decoding order, without DONL fields: single NAL units, aggregation packets and fragmentation
 * units. Parameter sets stand in the SDP and before each random access picture that comes without.
 */
export function h265Format(config: H265Config): PayloadFormat {
  return {
    kind: "video",
    encodingName: "H265",
    clockRate,
    parameters: describe(config),
    packetizer: (maxPayload) => (sample) => {
      const nalUnits = splitNalUnits(sample, config.lengthSize).filter(isSendable);
      return withMarker(packNalUnits(withParameterSets(nalUnits, config), h265NalUnits, maxPayload));
    },
  };
}

/** The NAL units of each kind of parameter set in a sample; for tracks whose `hvcC` has none. */
export function findH265ParameterSets(sample: Uint8Array, lengthSize: number): Omit<H265Config, "lengthSize"> {
  const nalUnits = splitNalUnits(sample, lengthSize);
  const ofType = (type: number): Uint8Array[] => nalUnits.filter((nalUnit) => nalType(nalUnit) === type);
  return {
    videoParameterSets: ofType(nalTypes.vps),
    sequenceParameterSets: ofType(nalTypes.sps),
    pictureParameterSets: ofType(nalTypes.pps),
  };
}

/** How H.265 puts NAL units into payloads. */
export const h265NalUnits: NalUnitFormat = {
  headerLength: 2,
  // RFC 7798 §4.4.2: F is set if any unit has it; layer and temporal id are the lowest of all.
  aggregationHeader: (nalUnits) => {
    const forbidden = nalUnits.reduce((bits, [first = 0]) => bits | (first & 0x80), 0);
    const layer = Math.min(...nalUnits.map(([first = 0, second = 0]) => ((first & 1) << 5) | (second >>> 3)));
    const temporalId = Math.min(...nalUnits.map(([, second = 0]) => second & 7));
    return Uint8Array.of(forbidden | (nalTypes.aggregation << 1) | (layer >>> 5), ((layer & 31) << 3) | temporalId);
  },
  // RFC 7798 §4.4.3: the unit's header with type 49, then S, E and the unit's own type.
  fragmentHeader: ([header = 0, second = 0], first, last) =>
    Uint8Array.of(
      (header & 0x81) | (nalTypes.fragmentation << 1),
      second,
      (first ? 0x80 : 0) | (last ? 0x40 : 0) | ((header >>> 1) & 0x3f),
    ),
};

function describe(config: H265Config): string {
  const sets = (name: string, nalUnits: readonly Uint8Array[]): string[] =>
    nalUnits.length === 0 ? [] : [`${name}=${nalUnits.map((n) => Buffer.from(n).toString("base64")).join(",")}`];
  return [
    ...sets("sprop-vps", config.videoParameterSets),
    ...sets("sprop-sps", config.sequenceParameterSets),
    ...sets("sprop-pps", config.pictureParameterSets),
  ].join(";");
}

function withParameterSets(nalUnits: readonly Uint8Array[], config: H265Config): readonly Uint8Array[] {
  const types = nalUnits.map(nalType);
  const randomAccess = types.some((type) => type >= nalTypes.firstRandomAccess && type <= nalTypes.lastRandomAccess);
  if (!randomAccess || types.includes(nalTypes.sps)) return nalUnits;
  // An access unit delimiter has to stay the first (H.265 §7.4.2.4.4).
  const head = types[0] === nalTypes.accessUnitDelimiter ? 1 : 0;
  return [
    ...nalUnits.slice(0, head),
    ...config.videoParameterSets,
    ...config.sequenceParameterSets,
    ...config.pictureParameterSets,
    ...nalUnits.slice(head),
  ];
}

/** Types from 48 on mean packet structures in RTP: such units cannot be told apart there. */
function isSendable(nalUnit: Uint8Array): boolean {
  return nalUnit.length >= 2 && nalType(nalUnit) < nalTypes.aggregation;
}

function nalType([first = 0]: Uint8Array): number {
  return (first >>> 1) & 0x3f;
}
