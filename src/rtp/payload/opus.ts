import type { PayloadFormat } from "./packetizer.ts";

/**
 * Opus in RTP (RFC 7587): one packet each, as it is. There is no fragmentation, so a packet longer than `maxPayload`
 * (more than 20 ms at the highest rates) leaves whole and IP cuts it. `channels` is 1 or 2: what the encoder was given.
 */
export function opusFormat(channels: number): PayloadFormat {
  return {
    kind: "audio",
    encodingName: "opus",
    // Both are fixed, whatever was encoded (RFC 7587 §4.1, §7).
    clockRate: 48_000,
    channels: 2,
    parameters: channels === 2 ? "sprop-stereo=1" : "",
    // The marker would say that a pause ends (RFC 7587 §4.1): a file's pauses are not known.
    packetizer: () => (packet) => (packet.length === 0 ? [] : [{ bytes: packet, marker: false }]),
  };
}
