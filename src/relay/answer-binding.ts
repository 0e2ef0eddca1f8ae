import type { Endpoint } from "../core/address.ts";
import { prefixOf } from "../core/cidr.ts";
import { attributeTypes } from "../stun/attribute-types.ts";
import { encodeErrorCode } from "../stun/attributes/error-code.ts";
import { decodeLifetime, encodeLifetime } from "../stun/attributes/lifetime.ts";
import { encodePunch } from "../stun/attributes/punch.ts";
import { encodeUnknownAttributes } from "../stun/attributes/unknown-attributes.ts";
import { encodeXorMappedAddress } from "../stun/attributes/xor-mapped-address.ts";
import { verifyFingerprint } from "../stun/integrity.ts";
import {
  bindingMethod,
  decodeMessage,
  encodeMessage,
  findAttribute,
  type StunMessage,
  unknownRequiredAttributes,
} from "../stun/message.ts";
import {
  type Authenticated,
  type AuthenticationContext,
  authenticate,
  challengeAttributes,
  type MessageIntegrity,
} from "./authenticate.ts";
import type { RateLimiter } from "./rate-limiter.ts";

/** What a proven request may do. The caller does it and says what came of it. */
export interface ProvenRequest extends Authenticated {
  /** True if it asks to leave (LIFETIME 0). */
  readonly leaves: boolean;
}

/** What came of a proven request: the answer's contents. */
export type ProvenOutcome =
  | {
      readonly ok: true;
      readonly lifetimeSeconds: number;
      readonly components: number;
      readonly publisherLive: boolean;
    }
  | { readonly ok: false; readonly code: 400 | 403 | 486; readonly reason: string };

/** The answer to a STUN datagram, if any, and the reason to count it by if it was not a success. */
export interface BindingAnswer {
  readonly reply?: Uint8Array;
  readonly refusal?: string;
}

/** Attributes that a request may carry although their numbers are below 0x8000 (comprehension-required). */
const understood: ReadonlySet<number> = new Set(Object.values(attributeTypes));

/** The phrases of RFC 8489 §14.8 and RFC 8656 §19.5. */
const phrases = {
  400: "Bad Request",
  401: "Unauthenticated",
  403: "Forbidden",
  420: "Unknown Attribute",
  438: "Stale Nonce",
  486: "Allocation Quota Reached",
} as const;

/**
 * Answers one STUN datagram. Until the return path is proven (a fresh nonce came back from the address it was sent to,
 * signed with the key) no answer is larger than the request, and unproven requests are limited by source prefix.
 */
export function answerBinding(
  bytes: Uint8Array,
  context: AuthenticationContext & { readonly unproven: RateLimiter },
  perform: (request: ProvenRequest) => ProvenOutcome,
): BindingAnswer {
  const decoded = decodeMessage(bytes);
  if (!decoded.ok) return { refusal: `stun-${decoded.reason}` };
  const message = decoded.value;
  if (message.messageClass !== "request") return { refusal: "stun-not-a-request" };
  if (message.method !== bindingMethod) return { refusal: "stun-unknown-method" };
  if (verifyFingerprint(message) === false) return { refusal: "stun-wrong-fingerprint" };

  const result = authenticate(message, context);
  if ("code" in result) {
    if (!context.unproven.take(prefixOf(context.from.address, 24, 56), context.now)) return { refusal: "rate-limited" };
    const attributes = [errorCode(result.code), ...(result.code === 400 ? [] : challengeAttributes(context))];
    const reply = respond(message, "error", attributes);
    if (reply.length > bytes.length) return { refusal: "request-too-small" };
    return { reply, refusal: result.reason };
  }

  const unknown = unknownRequiredAttributes(message, understood);
  if (unknown.length > 0) {
    const list = { type: attributeTypes.unknownAttributes, value: encodeUnknownAttributes(unknown) };
    return { reply: respond(message, "error", [errorCode(420), list], result.integrity), refusal: "unknown-attribute" };
  }
  const outcome = perform({ ...result, leaves: asksToLeave(message) });
  if (!outcome.ok) {
    return { reply: respond(message, "error", [errorCode(outcome.code)], result.integrity), refusal: outcome.reason };
  }
  return {
    reply: respond(message, "success", successAttributes(message, context.from, result, outcome), result.integrity),
  };
}

function successAttributes(
  message: StunMessage,
  from: Endpoint,
  { punch }: Authenticated,
  outcome: ProvenOutcome & { ok: true },
): { type: number; value: Uint8Array }[] {
  const { role, component, session } = punch;
  const { components, publisherLive } = outcome;
  return [
    { type: attributeTypes.xorMappedAddress, value: encodeXorMappedAddress(from, message.transactionId) },
    { type: attributeTypes.lifetime, value: encodeLifetime(outcome.lifetimeSeconds) },
    { type: attributeTypes.punch, value: encodePunch({ role, component, session, components, publisherLive }) },
  ];
}

function asksToLeave(message: StunMessage): boolean {
  const value = findAttribute(message, attributeTypes.lifetime);
  if (value === undefined) return false;
  const lifetime = decodeLifetime(value);
  return lifetime.ok && lifetime.value === 0;
}

function errorCode(code: keyof typeof phrases): { type: number; value: Uint8Array } {
  return { type: attributeTypes.errorCode, value: encodeErrorCode({ code, reason: phrases[code] }) };
}

function respond(
  request: StunMessage,
  messageClass: "success" | "error",
  attributes: readonly { type: number; value: Uint8Array }[],
  integrity?: MessageIntegrity,
): Uint8Array {
  const { method, transactionId } = request;
  return encodeMessage({
    messageClass,
    method,
    transactionId,
    attributes,
    fingerprint: true,
    ...(integrity && { integrity }),
  });
}
