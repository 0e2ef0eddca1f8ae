import type { Endpoint } from "../core/address.ts";
import type { Decoded } from "../core/result.ts";
import { attributeTypes } from "../stun/attribute-types.ts";
import { decodeNonce, encodeNonce, type Nonce, type SecurityFeatures } from "../stun/attributes/nonce.ts";
import {
  decodePasswordAlgorithm,
  decodePasswordAlgorithms,
  encodePasswordAlgorithms,
} from "../stun/attributes/password-algorithms.ts";
import { decodePunch, type Punch } from "../stun/attributes/punch.ts";
import { decodeRealm, decodeUsername, encodeRealm } from "../stun/attributes/text.ts";
import { longTermKey, userHash } from "../stun/credentials.ts";
import { verifyMessageIntegrity, verifyMessageIntegritySha256 } from "../stun/integrity.ts";
import { findAttribute, type MessageFields, type StunMessage } from "../stun/message.ts";
import { findGrant, type Grant, type StreamKeys } from "./credentials.ts";
import type { NonceKeeper } from "./nonce.ts";

/** The realm of every Punchcast relay: keys belong to streams, so there is one name space. */
export const realm = "punchcast";

/** The signature of an answer. */
export type MessageIntegrity = NonNullable<MessageFields["integrity"]>;

/** The request is proven: it comes from where it says, from somebody who has the key. */
export interface Authenticated {
  readonly grant: Grant;
  readonly punch: Punch;
  /** What the answer must be signed with. */
  readonly integrity: MessageIntegrity;
}

/** The error to answer with (RFC 8489 §9.2.4), and the reason to count it by. */
export interface AuthenticationFailure {
  readonly code: 400 | 401 | 438;
  readonly reason: string;
}

/** What a check needs to know. */
export interface AuthenticationContext {
  readonly from: Endpoint;
  readonly now: number;
  readonly wallNowMs: number;
  readonly nonces: NonceKeeper;
  readonly authSecret: string | undefined;
  readonly keysOf: (stream: string) => StreamKeys | undefined;
  /** The streams' names, for USERHASH. */
  readonly streamNames: () => Iterable<string>;
}

const offeredAlgorithms = encodePasswordAlgorithms([
  { algorithm: "SHA-256", parameters: new Uint8Array() },
  { algorithm: "MD5", parameters: new Uint8Array() },
]);

/** The attributes of a challenge: who asks (REALM), a fresh NONCE, and the password algorithms (RFC 8489 §9.2.4). */
export function challengeAttributes(context: AuthenticationContext): { type: number; value: Uint8Array }[] {
  const token = context.nonces.issue(context.from, context.now);
  return [
    { type: attributeTypes.realm, value: encodeRealm(realm) },
    { type: attributeTypes.nonce, value: encodeNonce(offeredFeatures(context), token) },
    { type: attributeTypes.passwordAlgorithms, value: offeredAlgorithms },
  ];
}

// USERHASH can name a stream but not a time-limited username, so it is offered only where no secret mints those.
function offeredFeatures(context: AuthenticationContext): SecurityFeatures {
  return { passwordAlgorithms: true, usernameAnonymity: context.authSecret === undefined };
}

/** Checks a Binding request against the long-term credentials of RFC 8489 §9.2.4, in that section's order. */
export function authenticate(
  message: StunMessage,
  context: AuthenticationContext,
): Authenticated | AuthenticationFailure {
  const sha256 = findAttribute(message, attributeTypes.messageIntegritySha256) !== undefined;
  const sha1 = findAttribute(message, attributeTypes.messageIntegrity) !== undefined;
  if (!sha256 && !sha1) return { code: 401, reason: "no-credentials" };

  const nonce = read(message, attributeTypes.nonce, decodeNonce);
  const username = read(message, attributeTypes.username, decodeUsername) ?? usernameOfHash(message, context);
  const hasRealm = read(message, attributeTypes.realm, decodeRealm) !== undefined;
  if (!hasRealm || nonce === undefined || username === undefined) {
    return { code: 400, reason: "credentials-incomplete" };
  }
  const punch = decodePunch(findAttribute(message, attributeTypes.punch) ?? new Uint8Array());
  if (!punch.ok) return { code: 400, reason: "punch-attribute" };
  const algorithm = passwordAlgorithm(message, nonce);
  if (algorithm === undefined) return { code: 400, reason: "password-algorithms" };

  const grant = findGrant(username, punch.value.role, context);
  if (typeof grant === "string") return { code: 401, reason: grant };
  const key = longTermKey(algorithm, username, realm, grant.password);
  const proven = sha256 ? verifyMessageIntegritySha256(message, key) : verifyMessageIntegrity(message, key);
  if (!proven) return { code: 401, reason: "wrong-key" };
  if (!isOurNonce(nonce, context)) return { code: 438, reason: "stale-nonce" };
  return { grant, punch: punch.value, integrity: { algorithm: sha256 ? "sha256" : "sha1", key } };
}

/**
 * True for a nonce issued here, to this source, just now, with its offers as they were: one whose offers somebody in the
 * middle took away would bid the client down to MD5 (RFC 8489 §9.2.1).
 */
function isOurNonce({ features, token }: Nonce, context: AuthenticationContext): boolean {
  const offered = offeredFeatures(context);
  const isWhole =
    features?.passwordAlgorithms === offered.passwordAlgorithms &&
    features.usernameAnonymity === offered.usernameAnonymity;
  return isWhole && context.nonces.isFresh(token, context.from, context.now);
}

function read<T>(message: StunMessage, type: number, decode: (value: Uint8Array) => Decoded<T>): T | undefined {
  const value = findAttribute(message, type);
  if (value === undefined) return undefined;
  const decoded = decode(value);
  return decoded.ok ? decoded.value : undefined;
}

function usernameOfHash(message: StunMessage, context: AuthenticationContext): string | undefined {
  const hash = findAttribute(message, attributeTypes.userhash);
  if (hash === undefined) return undefined;
  for (const name of context.streamNames()) if (Buffer.compare(userHash(name, realm), hash) === 0) return name;
  return "";
}

/**
 * Which algorithm made the key. Without PASSWORD-ALGORITHM it is MD5 (an RFC 5389 client). With it, the list we offered
 * must come back unchanged, or somebody in the middle removed the better one.
 */
function passwordAlgorithm(message: StunMessage, nonce: Nonce): "MD5" | "SHA-256" | undefined {
  const chosen = findAttribute(message, attributeTypes.passwordAlgorithm);
  const echoed = findAttribute(message, attributeTypes.passwordAlgorithms);
  if (nonce.features?.passwordAlgorithms !== true || (chosen === undefined && echoed === undefined)) return "MD5";
  if (chosen === undefined || echoed === undefined || Buffer.compare(echoed, offeredAlgorithms) !== 0) return undefined;
  if (!decodePasswordAlgorithms(echoed).ok) return undefined;
  const decoded = decodePasswordAlgorithm(chosen);
  if (!decoded.ok) return undefined;
  const { algorithm } = decoded.value;
  return algorithm === "MD5" || algorithm === "SHA-256" ? algorithm : undefined;
}
