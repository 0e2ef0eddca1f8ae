/** Bytes of an MPEG-TS packet and its first byte (ISO/IEC 13818-1 §2.4.3.2). */
const packetLength = 188;
const syncByte = 0x47;

/** Whether these bytes are whole MPEG-TS packets, as RTP (RFC 2250 §2) and plain UDP carry them. */
export function isTransportStream(bytes: Uint8Array): boolean {
  if (bytes.length === 0 || bytes.length % packetLength !== 0) return false;
  for (let at = 0; at < bytes.length; at += packetLength) if (bytes[at] !== syncByte) return false;
  return true;
}
