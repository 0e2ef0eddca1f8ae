import { createHash } from "node:crypto";
import { requireOpaqueString } from "./opaque-string.ts";

/** How a long-term key is made of a password (RFC 8489 §18.5.1). */
export type KeyAlgorithm = "MD5" | "SHA-256";

/**
 * The HMAC key of long-term credentials: the hash of `username:realm:password`, 16 bytes with MD5, 32 with SHA-256
 * (RFC 8489 §9.2.2, §18.5.1), each part prepared with `prepareOpaqueString`. Throws `BAD_OPTION` for a part that cannot
 * be prepared; user names and realms that came from `decodeUsername` and `decodeRealm` always can.
 */
export function longTermKey(algorithm: KeyAlgorithm, username: string, realm: string, password: string): Uint8Array {
  const parts = [
    requireOpaqueString("user name", username),
    requireOpaqueString("realm", realm),
    requireOpaqueString("password", password),
  ];
  return hash(algorithm === "MD5" ? "md5" : "sha256", parts);
}

/** The 32 bytes of USERHASH: the SHA-256 of `username:realm` (RFC 8489 §14.4). Throws as `longTermKey` does. */
export function userHash(username: string, realm: string): Uint8Array {
  return hash("sha256", [requireOpaqueString("user name", username), requireOpaqueString("realm", realm)]);
}

function hash(algorithm: "md5" | "sha256", parts: readonly string[]): Uint8Array {
  return new Uint8Array(createHash(algorithm).update(parts.join(":"), "utf8").digest());
}
