import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** An HTTP request as it is signed, so that a key need not travel where others may listen. */
export interface SignableRequest {
  readonly method: string;
  /** Path with query, as in the request line. */
  readonly target: string;
  /** As in STUN: the stream, or `<unix expiry>:<stream>[:publish]`. */
  readonly username: string;
  /** When it was signed, in seconds since 1970 UTC. */
  readonly time: number;
  /** Absent or empty: there is none. */
  readonly body?: Uint8Array | undefined;
}

/** What stands in the header field. */
export interface RequestSignature {
  readonly username: string;
  readonly time: number;
  /** HMAC-SHA256. */
  readonly digest: Uint8Array;
}

/** The authentication scheme of signed requests (RFC 9110 §11.1). */
export const signatureScheme = "Punchcast";

/**
 * How far a signature's time may be from the receiver's, in seconds. Not less, since clocks of small devices are set by
 * hand; not more, since for this long a request that was overheard can be repeated, word for word.
 */
export const signatureToleranceSeconds = 60;

/** The value of the Authorization field: `Punchcast <username>:<unix time>:<hex HMAC>`. */
export function signRequest(request: SignableRequest, key: string): string {
  return `${signatureScheme} ${request.username}:${request.time}:${Buffer.from(digestOf(request, key)).toString("hex")}`;
}

/** Reads an Authorization field; `undefined` if it is of another scheme or malformed. */
export function parseSignature(field: string): RequestSignature | undefined {
  const match = /^punchcast ([\x21-\x7e]{1,256}):(\d{1,12}):([0-9a-f]{64})$/i.exec(field);
  const [, username, time, digest] = match ?? [];
  if (username === undefined || digest === undefined) return undefined;
  return { username, time: Number(time), digest: Buffer.from(digest, "hex") };
}

/** True if the key made this digest of the request. Takes the same time whatever differs. */
export function isSignedBy(request: SignableRequest, digest: Uint8Array, key: string): boolean {
  const expected = digestOf(request, key);
  return digest.length === expected.length && timingSafeEqual(digest, expected);
}

/** Compares two secrets in a time that tells nothing of either but the length of what was offered. */
export function sameSecret(offered: string, secret: string): boolean {
  const digest = (text: string): Buffer => createHash("sha256").update(text.normalize("NFC"), "utf8").digest();
  return timingSafeEqual(digest(offered), digest(secret));
}

function digestOf({ method, target, username, time, body }: SignableRequest, key: string): Uint8Array {
  const bodyHash = body === undefined || body.length === 0 ? [] : [createHash("sha256").update(body).digest("hex")];
  // Keys compare as STUN prepares them (RFC 8265 §4.2): composed.
  return createHmac("sha256", key.normalize("NFC"))
    .update([method, target, username, time, ...bodyHash].join(" "), "utf8")
    .digest();
}
