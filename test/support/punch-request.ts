import type { Endpoint } from "../../src/core/address.ts";
import { attributeTypes as types } from "../../src/stun/attribute-types.ts";
import { decodeErrorCode } from "../../src/stun/attributes/error-code.ts";
import { decodeLifetime, encodeLifetime } from "../../src/stun/attributes/lifetime.ts";
import { encodePasswordAlgorithm } from "../../src/stun/attributes/password-algorithms.ts";
import { decodePunch, encodePunch, type PunchRole } from "../../src/stun/attributes/punch.ts";
import { encodeRealm, encodeUsername } from "../../src/stun/attributes/text.ts";
import { decodeXorMappedAddress } from "../../src/stun/attributes/xor-mapped-address.ts";
import { longTermKey } from "../../src/stun/credentials.ts";
import { decodeMessage, encodeMessage, findAttribute, type StunMessage } from "../../src/stun/message.ts";

/** One attribute, as the encoder takes it. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}

/** A relay's challenge, as it stands in a 401 or 438. */
export interface Challenge {
  readonly nonce: Uint8Array;
  readonly algorithms: Uint8Array;
}

/** A request as a test wants it; every default is what an honest viewer of `live` sends. */
export interface RequestFields {
  readonly role?: PunchRole;
  readonly component?: number;
  readonly session?: string;
  readonly username?: string;
  readonly key?: string;
  readonly realm?: string;
  /** Without one the request carries no credentials. */
  readonly challenge?: Challenge;
  readonly leaves?: boolean;
  /** Bytes after the punch attribute. Default: 96 without a challenge, as the agent does, else 0. */
  readonly padding?: number;
  readonly algorithm?: "sha1" | "sha256";
  readonly keyAlgorithm?: "MD5" | "SHA-256";
  /** Attributes to leave out, by number. */
  readonly without?: readonly number[];
  readonly extra?: readonly Attribute[];
  readonly transactionId?: Uint8Array;
  readonly fingerprint?: boolean;
}

/** The keys of the stream `live` in the tests. */
export const viewKey = "view-key-of-live";
/** See `viewKey`. */
export const publishKey = "publish-key-of-live";

let transactions = 0;

/** A transaction id that no other request of this process has. */
export function freshTransactionId(): Uint8Array {
  transactions += 1;
  const id = new Uint8Array(12);
  new DataView(id.buffer).setUint32(8, transactions);
  return id;
}

/** A Binding request. */
export function punchRequest(fields: RequestFields = {}): Uint8Array {
  const { role = "viewer", component = 0, session = "0123456789abcdef", username = "live", challenge } = fields;
  const { key = viewKey, realm = "punchcast", algorithm = "sha256", keyAlgorithm = "SHA-256", without = [] } = fields;
  const padding = fields.padding ?? (challenge === undefined ? 96 : 0);
  const attributes: Attribute[] = [
    { type: types.punch, value: encodePunch({ role, component, session }, padding) },
    ...(fields.leaves ? [{ type: types.lifetime, value: encodeLifetime(0) }] : []),
    ...(challenge ? credentials(username, realm, challenge, keyAlgorithm) : []),
    ...(fields.extra ?? []),
  ];
  return encodeMessage({
    messageClass: "request",
    method: 1,
    transactionId: fields.transactionId ?? freshTransactionId(),
    attributes: attributes.filter(({ type }) => !without.includes(type)),
    fingerprint: fields.fingerprint ?? true,
    ...(challenge && { integrity: { algorithm, key: longTermKey(keyAlgorithm, username, realm, key) } }),
  });
}

function credentials(
  username: string,
  realm: string,
  { nonce, algorithms }: Challenge,
  algorithm: "MD5" | "SHA-256",
): Attribute[] {
  return [
    { type: types.username, value: encodeUsername(username) },
    { type: types.realm, value: encodeRealm(realm) },
    { type: types.nonce, value: nonce },
    { type: types.passwordAlgorithm, value: encodePasswordAlgorithm({ algorithm, parameters: new Uint8Array() }) },
    { type: types.passwordAlgorithms, value: algorithms },
  ];
}

/** An answer in parts. */
export interface Answer {
  readonly message: StunMessage;
  /** 200 for a success. */
  readonly code: number;
  readonly mapped: Endpoint | undefined;
  readonly lifetime: number | undefined;
  readonly components: number | undefined;
  readonly publisherLive: boolean | undefined;
  readonly challenge: Challenge | undefined;
}

/** Reads an answer; throws if it is none. */
export function readAnswer(bytes: Uint8Array | undefined): Answer {
  const decoded = decodeMessage(bytes ?? new Uint8Array());
  if (!decoded.ok) throw new Error(`no answer: ${decoded.reason}`);
  const message = decoded.value;
  const find = (type: number): Uint8Array => findAttribute(message, type) ?? new Uint8Array();
  const error = decodeErrorCode(find(types.errorCode));
  const mapped = decodeXorMappedAddress(find(types.xorMappedAddress), message.transactionId);
  const lifetime = decodeLifetime(find(types.lifetime));
  const punch = decodePunch(find(types.punch));
  const nonce = findAttribute(message, types.nonce);
  return {
    message,
    code: error.ok ? error.value.code : 200,
    mapped: mapped.ok ? mapped.value : undefined,
    lifetime: lifetime.ok ? lifetime.value : undefined,
    components: punch.ok ? punch.value.components : undefined,
    publisherLive: punch.ok ? punch.value.publisherLive : undefined,
    challenge: nonce && { nonce, algorithms: find(types.passwordAlgorithms) },
  };
}
