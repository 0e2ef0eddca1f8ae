import { createHmac } from "node:crypto";
import { crc32 } from "node:zlib";
import { uint16Bytes } from "./bytes.ts";

/** `sha1` is MESSAGE-INTEGRITY (RFC 8489 §14.5), `sha256` MESSAGE-INTEGRITY-SHA256 (§14.6). */
export type IntegrityAlgorithm = "sha1" | "sha256";

/** Bytes of a whole digest; SHA-1's is never truncated, SHA-256's only by leave of the usage. */
export const digestLengths: Readonly<Record<IntegrityAlgorithm, number>> = { sha1: 20, sha256: 32 };

/** FINGERPRINT's value is the CRC-32 XORed with ASCII "STUN", so that another protocol's CRC does not match (§14.7). */
const fingerprintMask = 0x5354554e;

/**
 * The whole HMAC of a message whose integrity attribute has its header at `offset` and a value of `valueLength` bytes.
 * The header's length field is taken as ending with that attribute, whatever follows (RFC 8489 §14.5, §14.6).
 */
export function computeIntegrity(
  bytes: Uint8Array,
  offset: number,
  algorithm: IntegrityAlgorithm,
  key: Uint8Array,
  valueLength: number = digestLengths[algorithm],
): Uint8Array {
  // 20 bytes of message header are not counted by the length field, 4 of attribute header are.
  const length = offset + 4 + valueLength - 20;
  const digest = createHmac(algorithm, key)
    .update(bytes.subarray(0, 2))
    .update(Uint8Array.from(uint16Bytes(length)))
    .update(bytes.subarray(4, offset))
    .digest();
  return new Uint8Array(digest);
}

/** The value of the FINGERPRINT attribute whose header is at `offset`; the message's length field already counts it. */
export function computeFingerprint(bytes: Uint8Array, offset: number): number {
  return (crc32(bytes.subarray(0, offset)) ^ fingerprintMask) >>> 0;
}
