import { PunchcastError } from "../../core/errors.ts";
import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { utf8Bytes, utf8Text } from "../bytes.ts";

/** What an error response says. */
export interface StunError {
  /** 300-699; see `stunErrorCodes`. */
  readonly code: number;
  /** For people, in fewer than 128 characters; may be empty. */
  readonly reason: string;
}

/** Why bytes are not an ERROR-CODE: wrong size, a code outside 300-699, a reason phrase that is not UTF-8. */
export type ErrorCodeReason = "too-short" | "too-long" | "bad-code" | "bad-utf8";

/** The codes that Punchcast sends and understands (RFC 8489 §14.8; 403 and 486 from RFC 8656 §19). */
export const stunErrorCodes = {
  tryAlternate: 300,
  badRequest: 400,
  unauthenticated: 401,
  forbidden: 403,
  unknownAttribute: 420,
  staleNonce: 438,
  quotaReached: 486,
  serverError: 500,
} as const;

/** The longest reason phrase that a receiver must take: 127 characters of up to 6 bytes, plus 1 (RFC 8489 §14.8). */
const maximumReasonBytes = 763;

/**
 * ERROR-CODE (RFC 8489 §14.8): class is the code's hundreds, number the rest.
 *
 * ```
 * |               reserved, 0               |class|     number    |
 * |                  reason phrase, UTF-8 …                       |
 * ```
 *
 * Throws `INTERNAL` for a code outside 300-699 or a reason of 128 characters or more.
 */
export function encodeErrorCode({ code, reason }: StunError): Uint8Array {
  if (!Number.isInteger(code) || code < 300 || code > 699) {
    throw new PunchcastError("INTERNAL", `${code} is not a STUN error code (300-699); please report this.`);
  }
  if ([...reason].length > 127) {
    throw new PunchcastError("INTERNAL", `The STUN reason ${JSON.stringify(reason)} is too long; please report this.`);
  }
  return Uint8Array.from([0, 0, Math.floor(code / 100), code % 100, ...utf8Bytes(reason)]);
}

/** Reads what `encodeErrorCode` writes; the reserved bits are ignored, as the standard asks. */
export function decodeErrorCode(value: Uint8Array): Decoded<StunError, ErrorCodeReason> {
  if (value.length < 4) return malformed("too-short");
  if (value.length > 4 + maximumReasonBytes) return malformed("too-long");
  const hundreds = (value[2] ?? 0) & 0b111;
  const rest = value[3] ?? 0;
  if (hundreds < 3 || hundreds > 6 || rest > 99) return malformed("bad-code");
  const reason = utf8Text(value.subarray(4));
  return reason === undefined ? malformed("bad-utf8") : decoded({ code: hundreds * 100 + rest, reason });
}
