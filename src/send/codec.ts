import type { ISOFile, SampleEntryKind } from "mp4box";
import { type Decoded, decoded, malformed } from "../core/result.ts";
import { aacFormat } from "../rtp/payload/aac.ts";
import { decodeAudioSpecificConfig } from "../rtp/payload/audio-specific-config.ts";
import { findH264ParameterSets, h264Format } from "../rtp/payload/h264.ts";
import { findH265ParameterSets, h265Format } from "../rtp/payload/h265.ts";
import { opusFormat } from "../rtp/payload/opus.ts";
import type { PayloadFormat } from "../rtp/payload/packetizer.ts";

/** A track as the library parsed it. */
export type Trak = ISOFile["moov"]["traks"][number];

/** The codec of a track: its name for people, and how it goes into RTP. */
export interface Codec {
  readonly codec: string;
  readonly format: PayloadFormat;
}

/** MPEG-4 audio, and MPEG-2 AAC as main, LC and SSR (objectTypeIndication, ISO/IEC 14496-1 Table 5). */
const aacObjectTypeIndications = [0x40, 0x66, 0x67, 0x68];

/** AAC Main, LC, SSR, LTP, SBR, LD, PS and ELD: the audio object types that go into RFC 3640's AAC mode. */
const aacObjectTypes = [1, 2, 3, 4, 5, 23, 29, 39];

/** Tags of the descriptors in `esds` (ISO/IEC 14496-1 Table 1). */
const descriptorTags = { decoderConfig: 4, decoderSpecificInfo: 5 } as const;

/**
 * The payload format for a track's samples, or why there is none, in words. `firstSample` reads the track's first sample,
 * for tracks whose parameter sets are not in their description.
 */
export async function chooseCodec(trak: Trak, firstSample: () => Promise<Uint8Array>): Promise<Decoded<Codec, string>> {
  const entries = trak.mdia.minf.stbl.stsd.entries as readonly SampleEntryKind[];
  const [entry] = entries;
  if (entry === undefined) return malformed("no sample description");
  if (entries.length > 1) return malformed(`${nameOf(trak, entry)} in ${entries.length} different descriptions`);
  if ("avcC" in entry && entry.avcC !== undefined) {
    const lengthSize = entry.avcC.lengthSizeMinusOne + 1;
    const sequenceParameterSets = entry.avcC.SPS.map((sps) => sps.data);
    const pictureParameterSets = entry.avcC.PPS.map((pps) => pps.data);
    const described = sequenceParameterSets.length > 0;
    const sets = described
      ? { sequenceParameterSets, pictureParameterSets }
      : findH264ParameterSets(await firstSample(), lengthSize);
    return decoded({ codec: "H.264", format: h264Format({ ...sets, lengthSize }) });
  }
  if ("hvcC" in entry && entry.hvcC !== undefined) {
    const lengthSize = entry.hvcC.lengthSizeMinusOne + 1;
    const nalUnits = entry.hvcC.nalu_arrays.flat().map((nalUnit) => nalUnit.data);
    // One sample made of all sets, so that the sets of a description and of a stream are sorted alike.
    const sets = nalUnits.length > 0 ? findH265ParameterSets(joinNalUnits(nalUnits), 4) : undefined;
    const found = sets ?? findH265ParameterSets(await firstSample(), lengthSize);
    return decoded({ codec: "H.265", format: h265Format({ ...found, lengthSize }) });
  }
  if (entry.type === "mp4a" && "esds" in entry && entry.esds !== undefined)
    return chooseMpeg4Audio(entry.esds, entry.getChannelCount());
  const opus = (entry.boxes ?? []).find((box) => box.type === "dOps");
  if (opus !== undefined && "OutputChannelCount" in opus) {
    const channels = Number(opus.OutputChannelCount);
    // RFC 7587 §3 knows mono and stereo only.
    return channels <= 2
      ? decoded({ codec: "Opus", format: opusFormat(channels) })
      : malformed(`Opus with ${channels} channels`);
  }
  return malformed(nameOf(trak, entry));
}

function chooseMpeg4Audio(
  esds: { esd?: { findDescriptor(tag: number): unknown } },
  entryChannels: number,
): Decoded<Codec, string> {
  const decoderConfig = esds.esd?.findDescriptor(descriptorTags.decoderConfig) as
    | { oti: number; findDescriptor(tag: number): { data: Uint8Array } | null }
    | undefined;
  if (decoderConfig === undefined || decoderConfig === null) return malformed("MPEG-4 audio without a description");
  if (!aacObjectTypeIndications.includes(decoderConfig.oti)) {
    return malformed(`audio of MPEG object type 0x${decoderConfig.oti.toString(16)}`);
  }
  const audioSpecificConfig = decoderConfig.findDescriptor(descriptorTags.decoderSpecificInfo)?.data;
  if (audioSpecificConfig === undefined) return malformed("AAC without a decoder configuration");
  const config = decodeAudioSpecificConfig(audioSpecificConfig);
  if (!config.ok) return malformed(`AAC with a broken decoder configuration (${config.reason})`);
  if (!aacObjectTypes.includes(config.value.objectType)) {
    return malformed(`MPEG-4 audio of object type ${config.value.objectType}`);
  }
  const { sampleRate, channels } = config.value;
  return decoded({
    codec: "AAC",
    format: aacFormat({ audioSpecificConfig, sampleRate, channels: channels === 0 ? entryChannels : channels }),
  });
}

const handlerNames: Readonly<Record<string, string>> = {
  vide: "video",
  soun: "audio",
  sbtl: "subtitles",
  subt: "subtitles",
  text: "text",
  tmcd: "time code",
  meta: "metadata",
  hint: "hints",
};

/** `subtitles tx3g`. */
function nameOf(trak: Trak, entry: SampleEntryKind): string {
  const { handler } = trak.mdia.hdlr;
  return `${handlerNames[handler] ?? handler} ${entry.type}`;
}

function joinNalUnits(nalUnits: readonly Uint8Array[]): Uint8Array {
  const parts = nalUnits.flatMap(({ length }, i) => [
    Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length),
    nalUnits[i] ?? new Uint8Array(),
  ]);
  return Buffer.concat(parts);
}
