import { PunchcastError } from "../../core/errors.ts";
import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { utf8Bytes, utf8Text } from "../bytes.ts";

/**
 * What the server offers, told inside the nonce because the client signs that: an attacker who strips the offers from a
 * 401 is found out (RFC 8489 §9.2, §9.2.1).
 */
export interface SecurityFeatures {
  /** The 401 carries PASSWORD-ALGORITHMS. */
  readonly passwordAlgorithms: boolean;
  /** Requests may carry USERHASH instead of USERNAME. */
  readonly usernameAnonymity: boolean;
}

/** A nonce in parts. */
export interface Nonce {
  /** `undefined` if the nonce has no cookie: the server knows RFC 5389 only. */
  readonly features: SecurityFeatures | undefined;
  /** What follows the cookie: opaque to all but the server that made it. */
  readonly token: string;
}

/** Why bytes are not a nonce. */
export type NonceReason = "too-long" | "bad-utf8";

/** What every RFC 8489 server's nonce begins with (§9.2). */
const cookie = "obMatJos2";

// Bit 0 is the rightmost of the 24 by the erratum to §18.1, which the nonce of appendix B.1 ("AAAC") follows.
const passwordAlgorithmsBit = 1 << 0;
const usernameAnonymityBit = 1 << 1;

/** A receiver must accept this much (RFC 8489 §14.10). */
const maximumDecodedBytes = 763;

/**
 * NONCE (RFC 8489 §14.10) with its cookie (§9.2): `obMatJos2`, four base64 characters of 24 feature bits, then `token`.
 * Throws `INTERNAL` unless the token is 1-114 printable ASCII characters that need no quoting: the whole has to stay below
 * 128 characters.
 */
export function encodeNonce(features: SecurityFeatures, token: string): Uint8Array {
  if (!/^[\x20\x21\x23-\x5b\x5d-\x7e]{1,114}$/.test(token)) {
    throw new PunchcastError("INTERNAL", `${JSON.stringify(token)} is not a nonce's token; please report this.`);
  }
  const bits =
    (features.passwordAlgorithms ? passwordAlgorithmsBit : 0) | (features.usernameAnonymity ? usernameAnonymityBit : 0);
  return utf8Bytes(cookie + Buffer.from([0, 0, bits]).toString("base64") + token);
}

/** Reads any server's nonce. */
export function decodeNonce(value: Uint8Array): Decoded<Nonce, NonceReason> {
  if (value.length > maximumDecodedBytes) return malformed("too-long");
  const text = utf8Text(value);
  if (text === undefined) return malformed("bad-utf8");
  const encoded = /^obMatJos2([A-Za-z0-9+/]{4})/.exec(text)?.[1];
  if (encoded === undefined) return decoded({ features: undefined, token: text });
  const bits = Buffer.from(encoded, "base64").readUIntBE(0, 3);
  const features = {
    passwordAlgorithms: (bits & passwordAlgorithmsBit) !== 0,
    usernameAnonymity: (bits & usernameAnonymityBit) !== 0,
  };
  return decoded({ features, token: text.slice(cookie.length + encoded.length) });
}

/** The features that a nonce announces; `undefined` if it has no cookie or is none at all. */
export function decodeNonceFeatures(value: Uint8Array): SecurityFeatures | undefined {
  const nonce = decodeNonce(value);
  return nonce.ok ? nonce.value.features : undefined;
}
