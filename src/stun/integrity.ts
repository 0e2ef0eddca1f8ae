import { timingSafeEqual } from "node:crypto";
import { attributeTypes } from "./attribute-types.ts";
import { uint32At } from "./bytes.ts";
import { computeFingerprint, computeIntegrity, digestLengths, type IntegrityAlgorithm } from "./digest.ts";
import type { StunAttribute, StunMessage } from "./message.ts";

/** True if the message has a MESSAGE-INTEGRITY made with `key`; compared in constant time (RFC 8489 §14.5). */
export function verifyMessageIntegrity(message: StunMessage, key: Uint8Array): boolean {
  const attribute = firstOf(message, attributeTypes.messageIntegrity);
  return attribute?.value.length === digestLengths.sha1 && matches(message, attribute, "sha1", key);
}

/**
 * True if the message has a MESSAGE-INTEGRITY-SHA256 made with `key`; compared in constant time (RFC 8489 §14.6).
 * `minimumLength` is how far the sender may truncate the digest, 16-32 bytes and a multiple of 4. Default 32, not at
 * all: only a usage that says so may allow it, and Punchcast's does not.
 */
export function verifyMessageIntegritySha256(
  message: StunMessage,
  key: Uint8Array,
  minimumLength: number = digestLengths.sha256,
): boolean {
  const attribute = firstOf(message, attributeTypes.messageIntegritySha256);
  const length = attribute?.value.length ?? 0;
  if (attribute === undefined || length % 4 !== 0 || length > digestLengths.sha256) return false;
  // 16 bytes is the standard's floor, whatever the caller asks for: an empty digest would match everything.
  return length >= Math.max(16, minimumLength) && matches(message, attribute, "sha256", key);
}

/** Whether the FINGERPRINT is right and closes the message (RFC 8489 §14.7); `undefined` if there is none. */
export function verifyFingerprint(message: StunMessage): boolean | undefined {
  const attribute = firstOf(message, attributeTypes.fingerprint);
  if (attribute === undefined) return undefined;
  const { value, offset } = attribute;
  if (value.length !== 4 || offset + 8 !== message.bytes.length) return false;
  return uint32At(value, 0) === computeFingerprint(message.bytes, offset);
}

function firstOf(message: StunMessage, type: number): StunAttribute | undefined {
  return message.attributes.find((attribute) => attribute.type === type);
}

function matches(
  message: StunMessage,
  { value, offset }: StunAttribute,
  algorithm: IntegrityAlgorithm,
  key: Uint8Array,
): boolean {
  const digest = computeIntegrity(message.bytes, offset, algorithm, key, value.length);
  return timingSafeEqual(digest.subarray(0, value.length), value);
}
