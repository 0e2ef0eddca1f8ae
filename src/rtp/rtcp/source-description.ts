import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { readUint32, writeUint32 } from "../wire.ts";
import { encodeRawPacket, type RawRtcpPacket, type RtcpMalformation, rtcpPacketTypes } from "./packet.ts";
import { limitedUtf8, readUtf8 } from "./text.ts";

/** Item types (RFC 3550 §6.5.1-6.5.8). Each source sends a CNAME; the rest is optional. */
export const sourceDescriptionItems = {
  cname: 1,
  name: 2,
  email: 3,
  phone: 4,
  location: 5,
  tool: 6,
  note: 7,
  private: 8,
} as const;

/** SDES (RFC 3550 §6.5): who the sources are. */
export interface SourceDescription {
  readonly type: "source-description";
  /** One per source, at most 31. */
  readonly chunks: readonly SourceDescriptionChunk[];
}

/** What is said about one source. */
export interface SourceDescriptionChunk {
  readonly ssrc: number;
  readonly items: readonly SourceDescriptionItem[];
}

/** One statement: `item` is 1-255 (see `sourceDescriptionItems`), `text` at most 255 bytes of UTF-8. */
export interface SourceDescriptionItem {
  readonly item: number;
  readonly text: string;
}

/** The packet that every compound must have: one source and its canonical name, the same for all tracks of a sender. */
export function describeSource(ssrc: number, cname: string): SourceDescription {
  const items = [{ item: sourceDescriptionItems.cname, text: cname }];
  return { type: "source-description", chunks: [{ ssrc, items }] };
}

/** Reads the packet's body. Bytes that are not UTF-8 become U+FFFD. */
export function decodeSourceDescription(raw: RawRtcpPacket): Decoded<SourceDescription, RtcpMalformation> {
  const { body, count } = raw;
  const chunks: SourceDescriptionChunk[] = [];
  let at = 0;
  while (chunks.length < count) {
    if (at + 4 > body.length) return malformed("bad-body");
    const ssrc = readUint32(body, at);
    const items: SourceDescriptionItem[] = [];
    at += 4;
    for (let item = body[at]; item !== 0; item = body[at]) {
      const length = body[at + 1];
      if (item === undefined || length === undefined || at + 2 + length > body.length) return malformed("bad-body");
      items.push({ item, text: readUtf8(body, at + 2, length) });
      at += 2 + length;
    }
    // The list ends with one zero at least, and the chunk on a word's boundary.
    at = (at + 4) & ~3;
    chunks.push({ ssrc, items });
  }
  return decoded({ type: "source-description", chunks });
}

/** Writes the packet; chunks after the 31st are left out, texts are cut at 255 bytes between characters. */
export function encodeSourceDescription(description: SourceDescription): Uint8Array {
  const chunks = description.chunks.slice(0, 31).map(encodeChunk);
  const body = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return encodeRawPacket(rtcpPacketTypes.sourceDescription, chunks.length, body);
}

function encodeChunk(chunk: SourceDescriptionChunk): Uint8Array {
  const texts = chunk.items.map(({ item, text }) => ({ item, text: limitedUtf8(text) }));
  const length = texts.reduce((sum, { text }) => sum + 2 + text.length, 4);
  const bytes = new Uint8Array((length + 4) & ~3);
  writeUint32(bytes, 0, chunk.ssrc);
  let at = 4;
  for (const { item, text } of texts) {
    bytes[at] = item;
    bytes[at + 1] = text.length;
    bytes.set(text, at + 2);
    at += 2 + text.length;
  }
  return bytes;
}
