import { PunchcastError } from "../../core/errors.ts";
import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { utf8Bytes, utf8Text } from "../bytes.ts";
import { prepareOpaqueString, requireOpaqueString } from "../opaque-string.ts";

/** Why bytes are not such a text: too many, not UTF-8, or nothing that OpaqueString (RFC 8265 §4.2) accepts. */
export type TextReason = "too-long" | "bad-utf8" | "bad-characters";

/** What a receiver must still accept, for the sake of RFC 5389's senders (RFC 8489 §14.3, §14.9, §14.14). */
const maximumDecodedBytes = 763;

/**
 * USERNAME (RFC 8489 §14.3): prepared with OpaqueString, UTF-8, fewer than 509 bytes. Throws `BAD_OPTION` if it cannot
 * be.
 */
export function encodeUsername(username: string): Uint8Array {
  const bytes = utf8Bytes(requireOpaqueString("user name", username));
  if (bytes.length >= 509) throw tooLong("user name", username, "508 bytes");
  return bytes;
}

/** Reads USERNAME, prepared with OpaqueString so that it can be compared and made a key of. */
export function decodeUsername(value: Uint8Array): Decoded<string, TextReason> {
  return decodePrepared(value);
}

/** REALM (RFC 8489 §14.9): prepared with OpaqueString, UTF-8, fewer than 128 characters. Throws as USERNAME does. */
export function encodeRealm(realm: string): Uint8Array {
  return shortText("realm", requireOpaqueString("realm", realm));
}

/** Reads REALM, prepared with OpaqueString so that it can be compared and made a key of. */
export function decodeRealm(value: Uint8Array): Decoded<string, TextReason> {
  return decodePrepared(value);
}

/** SOFTWARE (RFC 8489 §14.14): what the sender is, for people; UTF-8, fewer than 128 characters. */
export function encodeSoftware(software: string): Uint8Array {
  return shortText("software name", software);
}

/** Reads SOFTWARE. It is free text of a stranger: escape it wherever it is shown. */
export function decodeSoftware(value: Uint8Array): Decoded<string, TextReason> {
  if (value.length > maximumDecodedBytes) return malformed("too-long");
  const text = utf8Text(value);
  return text === undefined ? malformed("bad-utf8") : decoded(text);
}

function decodePrepared(value: Uint8Array): Decoded<string, TextReason> {
  const text = decodeSoftware(value);
  if (!text.ok) return text;
  const opaque = prepareOpaqueString(text.value);
  return opaque === undefined ? malformed("bad-characters") : decoded(opaque);
}

function shortText(what: string, text: string): Uint8Array {
  if ([...text].length >= 128) throw tooLong(what, text, "127 characters");
  return utf8Bytes(text);
}

function tooLong(what: string, text: string, limit: string): PunchcastError {
  return new PunchcastError("BAD_OPTION", `The ${what} ${JSON.stringify(text)} is longer than ${limit}; shorten it.`);
}
