import { readUint16 } from "../../rtp/wire.ts";
import type { Judge } from "./judge.ts";

/** Samples at 48 kHz of an Opus frame by its configuration (RFC 6716 Table 2): SILK, hybrid, CELT. */
function opusFrameSamples(configuration: number): number {
  if (configuration < 12) return [480, 960, 1920, 2880][configuration & 3] ?? 0;
  if (configuration < 16) return [480, 960][configuration & 1] ?? 0;
  return [120, 240, 480, 960][configuration & 3] ?? 0;
}

/** RFC 6716 §3.1, R5: no packet is longer than 120 ms. */
const maxOpusSamples = 5760;

/** Samples at 48 kHz in an Opus packet, from its TOC byte; `undefined` if it is none. */
function opusPacketSamples(payload: Uint8Array): number | undefined {
  const [toc, count] = payload;
  if (toc === undefined) return undefined;
  const code = toc & 0x03;
  const frames = code === 0 ? 1 : code === 3 ? (count ?? 0) & 0x3f : 2;
  const samples = frames * opusFrameSamples(toc >>> 3);
  // Code 1 means two frames of one length, in as many bytes after the TOC (§3.2.3).
  if (code === 1 && payload.length % 2 === 0) return undefined;
  return samples > 0 && samples <= maxOpusSamples ? samples : undefined;
}

/** Half a second of the usual packets. Steps of 20 ms at 48 kHz are common, a first byte that says so is not. */
const opusSureAfter = 25;

/** Opus (RFC 7587): each packet's own duration, on the 48 kHz clock, is the step to the next one's timestamp. */
export function createOpusJudge(): Judge {
  let samples: number | undefined;
  return {
    codec: "opus",
    kind: "audio",
    sureAfter: opusSureAfter,
    clockRate: 48_000,
    channels: 2,
    judge: ({ packet, follows, step }) => {
      const expected = samples;
      samples = opusPacketSamples(packet.payload);
      if (samples === undefined) return "against";
      if (!follows || expected === undefined || isUniform(packet.payload)) return "nothing";
      return step === expected ? "for" : "against";
    },
  };
}

/** Samples of silence: zeros would read as 10 ms of Opus. */
function isUniform([first, ...rest]: Uint8Array): boolean {
  return rest.every((byte) => byte === first);
}

/** AU headers of 13 bits size and 3 bits index: mode AAC-hbr (RFC 3640 §3.3.6), the only one in common use. */
const auHeaderBits = 16;

/** Sizes of 13 or 8 bits that fit to the byte are no accident; a second of AAC is 3 to 47 packets. */
const aacSureAfter = 6;

/** AAC in RFC 3640's AAC-hbr mode: the access units' sizes add up to the payload, the units follow each other. */
export function createAacJudge(): Judge {
  let fragmentLeft = 0;
  return {
    codec: "mpeg4-generic",
    kind: "audio",
    sureAfter: aacSureAfter,
    judge: ({ packet, follows, step }) => {
      const { payload, marker } = packet;
      const left = follows && step === 0 ? fragmentLeft : 0;
      fragmentLeft = 0;
      const headerBits = readUint16(payload, 0);
      const start = 2 + headerBits / 8;
      if (headerBits === 0 || headerBits % auHeaderBits !== 0 || start >= payload.length) return "against";
      let total = 0;
      for (let at = 2; at < start; at += 2) {
        const header = readUint16(payload, at);
        // AU-Index-delta is 0 without interleaving (§3.2.1.1). MP4Box counts on in the first unit's AU-Index, so that one is free.
        if (at > 2 && (header & 0x07) !== 0) return "against";
        total += header >>> 3;
      }
      const length = payload.length - start;
      if (total === length) return marker ? "for" : "against";
      // One unit over several packets: each says the size of the whole, the last is marked (§3.2.3.2).
      if (headerBits !== auHeaderBits || length > total) return "against";
      const rest = (left > 0 ? left : total) - length;
      fragmentLeft = rest;
      return left > 0 && rest === 0 && marker ? "for" : marker ? "against" : "nothing";
    },
  };
}

/** AAC in LATM (RFC 6416 §6.1) with the config in the SDP: a length in bytes of 255 and a rest, then so many bytes. */
export function createLatmJudge(): Judge {
  return {
    codec: "MP4A-LATM",
    kind: "audio",
    sureAfter: aacSureAfter,
    judge: ({ packet: { payload, marker } }) => {
      let at = 0;
      let frames = 0;
      while (at < payload.length) {
        let length = 0;
        while (payload[at] === 0xff) {
          length += 255;
          at += 1;
        }
        length += payload[at] ?? 0;
        at += 1 + length;
        frames += 1;
      }
      return at === payload.length && frames === 1 && marker ? "for" : at === payload.length ? "nothing" : "against";
    },
  };
}
