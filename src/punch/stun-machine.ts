import { formatEndpoint } from "../core/address.ts";
import type { Random } from "../core/random.ts";
import { attributeTypes } from "../stun/attribute-types.ts";
import { decodeErrorCode } from "../stun/attributes/error-code.ts";
import { decodeLifetime, encodeLifetime } from "../stun/attributes/lifetime.ts";
import { decodeNonceFeatures } from "../stun/attributes/nonce.ts";
import { decodePasswordAlgorithms, encodePasswordAlgorithm } from "../stun/attributes/password-algorithms.ts";
import { decodePunch, encodePunch, type PunchRole } from "../stun/attributes/punch.ts";
import { decodeRealm, encodeUsername } from "../stun/attributes/text.ts";
import { decodeXorMappedAddress } from "../stun/attributes/xor-mapped-address.ts";
import { longTermKey } from "../stun/credentials.ts";
import { verifyMessageIntegritySha256 } from "../stun/integrity.ts";
import {
  bindingMethod,
  decodeMessage,
  encodeMessage,
  findAttribute,
  isStun,
  type StunMessage,
} from "../stun/message.ts";
import { requireOpaqueString } from "../stun/opaque-string.ts";
import type { PunchEvent, PunchMachine } from "./machine.ts";
import { consentIntervalMs, jittered, retryDelayMs } from "./schedule.ts";

/** Who punches, for what. */
export interface StunMachineOptions {
  readonly role: PunchRole;
  readonly component: number;
  /** 64 random bits as 16 hex digits: one viewer or publisher over all its components and addresses. */
  readonly session: string;
  /** The stream's name, or a time-limited username. */
  readonly username: string;
  readonly password: string;
  readonly random: Random;
}

interface Challenge {
  /** As it came: what a relay may send is longer than what we may write (RFC 8489 §14.9). */
  readonly realm: Uint8Array;
  readonly nonce: Uint8Array;
  readonly algorithms: Uint8Array;
  readonly key: Uint8Array;
}

interface Sent {
  readonly at: number;
  readonly signed: boolean;
}

/** Bytes after the punch attribute in an unsigned request: a relay answers nothing larger than what it was sent. */
const paddingLength = 96;

/** Requests whose answer is still taken. Older answers say nothing about the path as it is now. */
const outstandingMax = 8;

/**
 * Bytes of PASSWORD-ALGORITHMS that are sent back. Two entries take 8, so 256 leave room for any that may come; without a
 * bound a forged challenge could make a request too long to be one.
 */
const algorithmsMax = 256;

/**
 * The relay's indication says that it does not know us (any more), and makes a request due. At most one in this time: anyone
 * can forge one, and a request that is under way has to be given its time.
 */
const remindedMs = 500;

/** Challenges in a row that are answered at once; a relay that goes on challenging is answered at the pace of retries. */
const eagerChallengesMax = 3;

/**
 * Punches as RFC 8489 §9.2 does: a request, the relay's challenge, the signed request; then consent (RFC 7675).
 * @throws PunchcastError BAD_OPTION if the username or the password holds what STUN cannot carry
 */
export function createStunMachine(options: StunMachineOptions): PunchMachine {
  const { role, component, session, username, password, random } = options;
  // Checked here: a challenge that arrives later is no place to throw.
  const encodedUsername = encodeUsername(username);
  requireOpaqueString("password", password);
  const outstanding = new Map<string, Sent>();
  let challenge: Challenge | undefined;
  let dueAt = Number.NEGATIVE_INFINITY;
  let askedAt = Number.NEGATIVE_INFINITY;
  let unanswered = 0;
  let challenges = 0;

  function request(now: number, leaves: boolean): Uint8Array {
    const transactionId = random.bytes(12);
    outstanding.set(idText(transactionId), { at: now, signed: challenge !== undefined });
    if (outstanding.size > outstandingMax) outstanding.delete(outstanding.keys().next().value ?? "");
    const punch = {
      type: attributeTypes.punch,
      value: encodePunch({ role, component, session }, challenge ? 0 : paddingLength),
    };
    const attributes = leaves ? [punch, { type: attributeTypes.lifetime, value: encodeLifetime(0) }] : [punch];
    const message = { messageClass: "request", method: bindingMethod, transactionId, fingerprint: true } as const;
    if (challenge === undefined) return encodeMessage({ ...message, attributes });
    const { key } = challenge;
    const signed = [...attributes, ...credentials(challenge)];
    return encodeMessage({ ...message, attributes: signed, integrity: { algorithm: "sha256", key } });
  }

  function credentials(to: Challenge): { type: number; value: Uint8Array }[] {
    const chosen = encodePasswordAlgorithm({ algorithm: "SHA-256", parameters: new Uint8Array() });
    return [
      { type: attributeTypes.username, value: encodedUsername },
      { type: attributeTypes.realm, value: to.realm },
      { type: attributeTypes.nonce, value: to.nonce },
      { type: attributeTypes.passwordAlgorithm, value: chosen },
      { type: attributeTypes.passwordAlgorithms, value: to.algorithms },
    ];
  }

  function onError(message: StunMessage, sent: Sent, now: number): PunchEvent | "quiet" {
    const error = decodeErrorCode(findAttribute(message, attributeTypes.errorCode) ?? new Uint8Array());
    if (!error.ok) return "quiet";
    const { code, reason } = error.value;
    const isChallenge = code === 438 || (code === 401 && !sent.signed);
    if (!isChallenge) {
      dueAt = now + jittered(consentIntervalMs, random);
      return { type: "refused", code, reason, final: code !== 486 };
    }
    const next = readChallenge(message, username, password);
    if (next === undefined)
      return { type: "refused", code, reason: "the relay's challenge is not understood", final: true };
    challenge = next;
    challenges += 1;
    dueAt = challenges <= eagerChallengesMax ? now : now + retryDelayMs(challenges - eagerChallengesMax, random);
    return "quiet";
  }

  function onSuccess(message: StunMessage, sent: Sent, now: number): PunchEvent | "quiet" {
    if (challenge === undefined || !verifyMessageIntegritySha256(message, challenge.key)) return "quiet";
    const mapped = decodeXorMappedAddress(
      findAttribute(message, attributeTypes.xorMappedAddress) ?? new Uint8Array(),
      message.transactionId,
    );
    const lifetime = decodeLifetime(findAttribute(message, attributeTypes.lifetime) ?? new Uint8Array());
    const punch = decodePunch(findAttribute(message, attributeTypes.punch) ?? new Uint8Array());
    if (!mapped.ok || !lifetime.ok || !punch.ok) return "quiet";
    unanswered = 0;
    challenges = 0;
    outstanding.clear();
    dueAt = now + jittered(consentIntervalMs, random);
    const { components = 0, publisherLive = false } = punch.value;
    const lifetimeMs = lifetime.value * 1000;
    return {
      type: "granted",
      mapped: formatEndpoint(mapped.value),
      lifetimeMs,
      rttMs: now - sent.at,
      components,
      publisherLive,
    };
  }

  return {
    wakeAt: () => dueAt,

    poll(now) {
      if (now < dueAt) return undefined;
      unanswered += 1;
      askedAt = now;
      dueAt = now + retryDelayMs(unanswered, random);
      return request(now, false);
    },

    punchNow(now) {
      dueAt = Math.min(dueAt, now);
    },

    receive(bytes, now) {
      if (!isStun(bytes)) return undefined;
      const decoded = decodeMessage(bytes);
      if (!decoded.ok) return "quiet";
      const message = decoded.value;
      if (message.messageClass === "indication") {
        dueAt = Math.min(dueAt, Math.max(now, askedAt + remindedMs));
        return "quiet";
      }
      const sent = outstanding.get(idText(message.transactionId));
      if (sent === undefined) return "quiet";
      if (message.messageClass === "error") {
        outstanding.delete(idText(message.transactionId));
        unanswered = 0;
        return onError(message, sent, now);
      }
      return message.messageClass === "success" ? onSuccess(message, sent, now) : "quiet";
    },

    unanswered: () => unanswered,
    leave: (now) => (challenge === undefined ? undefined : request(now, true)),
  };
}

function idText(transactionId: Uint8Array): string {
  return Buffer.from(transactionId).toString("latin1");
}

/** REALM, NONCE and PASSWORD-ALGORITHMS of a 401 or 438; `undefined` if SHA-256 keys are not on offer. */
function readChallenge(message: StunMessage, username: string, password: string): Challenge | undefined {
  const realm = findAttribute(message, attributeTypes.realm) ?? new Uint8Array();
  const realmName = decodeRealm(realm);
  const nonce = findAttribute(message, attributeTypes.nonce);
  const algorithms = findAttribute(message, attributeTypes.passwordAlgorithms);
  if (!realmName.ok || nonce === undefined || algorithms === undefined) return undefined;
  if (algorithms.length > algorithmsMax) return undefined;
  const offered = decodePasswordAlgorithms(algorithms);
  if (!offered.ok || decodeNonceFeatures(nonce)?.passwordAlgorithms !== true) return undefined;
  if (!offered.value.some(({ algorithm }) => algorithm === "SHA-256")) return undefined;
  const key = longTermKey("SHA-256", username, realmName.value, password);
  return { realm, nonce, algorithms, key };
}
