import { type NalUnitFormat, packNalUnits, splitNalUnits } from "./nal-unit.ts";
import { type PayloadFormat, withMarker } from "./packetizer.ts";

/** What an MP4's `avcC` says about an H.264 track. */
export interface H264Config {
  /** NAL units with their header byte. Empty if the stream carries them itself. */
  readonly sequenceParameterSets: readonly Uint8Array[];
  readonly pictureParameterSets: readonly Uint8Array[];
  /** Bytes of length before each NAL unit of a sample: 1, 2 or 4. */
  readonly lengthSize: number;
}

/** NAL unit types (H.264 Table 7-1, RFC 6184 §5.2). */
const nalTypes = { idr: 5, sps: 7, pps: 8, accessUnitDelimiter: 9, firstUnspecified: 24, stapA: 24, fuA: 28 } as const;

/** The clock that RFC 6184 §8.2.1 demands. */
const clockRate = 90_000;

/**
 * H.264 in RTP (RFC 6184), packetization-mode 1: single NAL units, STAP-A and FU-A. Parameter sets stand in the SDP and,
 * for those who join late or have none, before each IDR picture that comes without.
 */
export function h264Format(config: H264Config): PayloadFormat {
  return {
    kind: "video",
    encodingName: "H264",
    clockRate,
    parameters: describe(config),
    packetizer: (maxPayload) => (sample) => {
      const nalUnits = splitNalUnits(sample, config.lengthSize).filter(isSendable);
      return withMarker(packNalUnits(withParameterSets(nalUnits, config), h264NalUnits, maxPayload));
    },
  };
}

/** The NAL units of each kind of parameter set in a sample; for tracks whose `avcC` has none. */
export function findH264ParameterSets(
  sample: Uint8Array,
  lengthSize: number,
): Pick<H264Config, "sequenceParameterSets" | "pictureParameterSets"> {
  const nalUnits = splitNalUnits(sample, lengthSize);
  return {
    sequenceParameterSets: nalUnits.filter((nalUnit) => nalType(nalUnit) === nalTypes.sps),
    pictureParameterSets: nalUnits.filter((nalUnit) => nalType(nalUnit) === nalTypes.pps),
  };
}

/** How H.264 puts NAL units into payloads. */
export const h264NalUnits: NalUnitFormat = {
  headerLength: 1,
  // RFC 6184 §5.7: F is set if any unit has it, NRI is the highest.
  aggregationHeader: (nalUnits) => {
    const forbidden = nalUnits.reduce((bits, [header = 0]) => bits | (header & 0x80), 0);
    const importance = nalUnits.reduce((most, [header = 0]) => Math.max(most, header & 0x60), 0);
    return Uint8Array.of(forbidden | importance | nalTypes.stapA);
  },
  // RFC 6184 §5.8: indicator (F, NRI, 28), then S, E, R and the unit's own type.
  fragmentHeader: ([header = 0], first, last) =>
    Uint8Array.of((header & 0xe0) | nalTypes.fuA, (first ? 0x80 : 0) | (last ? 0x40 : 0) | (header & 0x1f)),
};

function describe(config: H264Config): string {
  const [sps] = config.sequenceParameterSets;
  const sets = [...config.sequenceParameterSets, ...config.pictureParameterSets].map(base64);
  return [
    "packetization-mode=1",
    ...(sps === undefined ? [] : [`profile-level-id=${Buffer.from(sps.subarray(1, 4)).toString("hex").toUpperCase()}`]),
    ...(sets.length === 0 ? [] : [`sprop-parameter-sets=${sets.join(",")}`]),
  ].join(";");
}

function withParameterSets(nalUnits: readonly Uint8Array[], config: H264Config): readonly Uint8Array[] {
  const types = nalUnits.map(nalType);
  if (!types.includes(nalTypes.idr) || types.includes(nalTypes.sps)) return nalUnits;
  // An access unit delimiter has to stay the first (H.264 §7.4.1.2.3).
  const head = types[0] === nalTypes.accessUnitDelimiter ? 1 : 0;
  return [
    ...nalUnits.slice(0, head),
    ...config.sequenceParameterSets,
    ...config.pictureParameterSets,
    ...nalUnits.slice(head),
  ];
}

/** Types 24-31 mean packet structures in RTP and 0 is unspecified: such units cannot be told apart there. */
function isSendable(nalUnit: Uint8Array): boolean {
  const type = nalType(nalUnit);
  return type > 0 && type < nalTypes.firstUnspecified;
}

function nalType(nalUnit: Uint8Array): number {
  return (nalUnit[0] ?? 0) & 0x1f;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
