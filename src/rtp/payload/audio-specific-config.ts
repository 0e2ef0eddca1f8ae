import { type Decoded, decoded, malformed } from "../../core/result.ts";

/** The head of an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1). */
export interface AudioSpecificConfig {
  /** 2 is AAC-LC, 5 SBR (HE-AAC), 29 PS (HE-AAC v2), … (Table 1.17). */
  readonly objectType: number;
  /** Samples per second of the core; SBR doubles it at the output. */
  readonly sampleRate: number;
  /** 0 if a program config element says it. */
  readonly channels: number;
}

/** Sampling frequencies by index (Table 1.18); index 15 means that 24 bits of frequency follow. */
const sampleRates = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];

/** Channels by channelConfiguration (Table 1.19). */
const channelCounts = [0, 1, 2, 3, 4, 5, 6, 8];

/** Reads the first fields of an AudioSpecificConfig; what follows them is the decoder's business. */
export function decodeAudioSpecificConfig(
  bytes: Uint8Array,
): Decoded<AudioSpecificConfig, "too-short" | "reserved-sample-rate" | "reserved-channels"> {
  let at = 0;
  const take = (bits: number): number => {
    let value = 0;
    for (let i = 0; i < bits; i++, at++) value = value * 2 + (((bytes[at >>> 3] ?? 0) >>> (7 - (at & 7))) & 1);
    return value;
  };
  const shortType = take(5);
  const objectType = shortType === 31 ? 32 + take(6) : shortType;
  const rateIndex = take(4);
  const sampleRate = rateIndex === 15 ? take(24) : sampleRates[rateIndex];
  const channels = channelCounts[take(4)];
  if (at > bytes.length * 8) return malformed("too-short");
  if (sampleRate === undefined || sampleRate === 0) return malformed("reserved-sample-rate");
  if (channels === undefined) return malformed("reserved-channels");
  return decoded({ objectType, sampleRate, channels });
}
