import { PunchcastError } from "../core/errors.ts";
import { type Decoded, decoded, malformed } from "../core/result.ts";
import { attributeTypes } from "./attribute-types.ts";
import { paddedLength, uint16At, uint16Bytes, uint32At, uint32Bytes } from "./bytes.ts";
import { computeFingerprint, computeIntegrity, digestLengths, type IntegrityAlgorithm } from "./digest.ts";

/** Bytes 4-7 of every STUN message (RFC 8489 §5). */
export const magicCookie = 0x2112a442;

/** The one method that STUN itself defines, and the only one that Punchcast uses (RFC 8489 §18.2). */
export const bindingMethod = 0x001;

/** Bytes before the first attribute (RFC 8489 §5). */
export const headerLength = 20;

/** Bytes of a transaction id (RFC 8489 §5). */
export const transactionIdLength = 12;

/** The class of a message, in the order of its two bits on the wire (RFC 8489 §5). */
export type MessageClass = "request" | "indication" | "success" | "error";

/** One attribute as it stands in a message. */
export interface StunAttribute {
  readonly type: number;
  /** The value without its padding: a view into the message. */
  readonly value: Uint8Array;
  /** Where the attribute's own header begins in the message. */
  readonly offset: number;
}

/** A decoded message. All byte arrays are views into `bytes`, so they live and change with the datagram's buffer. */
export interface StunMessage {
  readonly messageClass: MessageClass;
  /** 12 bits. */
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  /** In wire order, without those that RFC 8489 says to ignore. */
  readonly attributes: readonly StunAttribute[];
  /** The whole datagram. */
  readonly bytes: Uint8Array;
}

/** Why bytes are not a STUN message: no STUN header, a length field that does not fit, an attribute past the end. */
export type StunReason = "not-stun" | "bad-length" | "attribute-overrun";

/** What `encodeMessage` writes. */
export interface MessageFields {
  readonly messageClass: MessageClass;
  /** 12 bits. */
  readonly method: number;
  /** 12 bytes, unpredictable in a request, copied from it in a response. */
  readonly transactionId: Uint8Array;
  /** In wire order; integrity and fingerprint are appended by the next two fields instead. */
  readonly attributes: readonly { readonly type: number; readonly value: Uint8Array }[];
  /** Appends MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 with this key. Default: neither. */
  readonly integrity?: { readonly algorithm: IntegrityAlgorithm; readonly key: Uint8Array };
  /** Appends FINGERPRINT. Default: no. */
  readonly fingerprint?: boolean;
}

const classes: readonly MessageClass[] = ["request", "indication", "success", "error"];

const integrityTypes: Readonly<Record<IntegrityAlgorithm, number>> = {
  sha1: attributeTypes.messageIntegrity,
  sha256: attributeTypes.messageIntegritySha256,
};

/**
 * What may still follow each of the closing attributes; anything else there is ignored (RFC 8489 §14.5-14.7).
 * Whatever may follow is itself a closing attribute, so each step only narrows.
 */
const allowedAfter: ReadonlyMap<number, ReadonlySet<number>> = new Map([
  [
    attributeTypes.messageIntegrity,
    new Set<number>([attributeTypes.messageIntegritySha256, attributeTypes.fingerprint]),
  ],
  [attributeTypes.messageIntegritySha256, new Set<number>([attributeTypes.fingerprint])],
  [attributeTypes.fingerprint, new Set<number>()],
]);

/** True if the bytes claim to be STUN: two zero bits, the magic cookie, room for a header (RFC 8489 §5, RFC 7983). */
export function isStun(bytes: Uint8Array): boolean {
  return bytes.length >= headerLength && ((bytes[0] ?? 0xff) & 0xc0) === 0 && uint32At(bytes, 4) === magicCookie;
}

/**
 * Reads one datagram as one message (RFC 8489 §5, §14): the length field must name exactly the bytes that follow the
 * header, and every attribute must lie within them. Integrity and fingerprint are not checked here.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |0 0|   method and class (M C)  |    length without header      |
 * |                  magic cookie 0x2112a442                      |
 * |                  transaction id (96 bits) …                   |
 * |      attribute type           |     value length              |  repeated,
 * |                  value, padded to 32 bits …                   |  to the end
 * ```
 */
export function decodeMessage(datagram: Uint8Array): Decoded<StunMessage, StunReason> {
  if (!isStun(datagram)) return malformed("not-stun");
  const length = uint16At(datagram, 2);
  if (length % 4 !== 0 || headerLength + length !== datagram.length) return malformed("bad-length");
  // A plain Uint8Array even over a Buffer, whose slice() and toString() mean something else.
  const bytes = new Uint8Array(datagram.buffer, datagram.byteOffset, datagram.length);
  const attributes: StunAttribute[] = [];
  let allowed: ReadonlySet<number> | undefined;
  // The length is a multiple of 4 and so is every step: an attribute's 4-byte header always fits.
  for (let offset = headerLength; offset < bytes.length; ) {
    const type = uint16At(bytes, offset);
    const start = offset + 4;
    const end = start + uint16At(bytes, offset + 2);
    if (end > bytes.length) return malformed("attribute-overrun");
    if (allowed === undefined || allowed.has(type)) {
      attributes.push({ type, value: bytes.subarray(start, end), offset });
      allowed = allowedAfter.get(type);
    }
    offset = paddedLength(end);
  }
  const typeField = uint16At(bytes, 0);
  return decoded({
    messageClass: classes[((typeField >> 7) & 0b10) | ((typeField >> 4) & 0b01)] ?? "request",
    method: (typeField & 0x000f) | ((typeField & 0x00e0) >> 1) | ((typeField & 0x3e00) >> 2),
    transactionId: bytes.subarray(8, headerLength),
    attributes,
    bytes,
  });
}

/** The value of the first attribute of this type: RFC 8489 §14 lets only the first one count. */
export function findAttribute(message: StunMessage, type: number): Uint8Array | undefined {
  return message.attributes.find((attribute) => attribute.type === type)?.value;
}

/**
 * The comprehension-required types (below 0x8000) in the message that are not `known`, each once, in wire order: what a
 * server lists in UNKNOWN-ATTRIBUTES of its 420 (RFC 8489 §6.3.1).
 */
export function unknownRequiredAttributes(message: StunMessage, known: ReadonlySet<number>): number[] {
  const types = message.attributes.map((attribute) => attribute.type);
  return [...new Set(types)].filter((type) => type < 0x8000 && !known.has(type));
}

/**
 * Writes a message; padding is zero (RFC 8489 §14). Throws `INTERNAL` if the transaction id is not 12 bytes, the method
 * does not fit 12 bits or the attributes do not fit the 16-bit length.
 */
export function encodeMessage(fields: MessageFields): Uint8Array {
  const { attributes, integrity, fingerprint = false } = fields;
  const plain = attributes.reduce((sum, { value }) => sum + 4 + paddedLength(value.length), 0);
  const integrityLength = integrity === undefined ? 0 : 4 + digestLengths[integrity.algorithm];
  const length = plain + integrityLength + (fingerprint ? 8 : 0);
  checkFields(fields, length);

  const bytes = new Uint8Array(headerLength + length);
  bytes.set(uint16Bytes(messageType(fields.messageClass, fields.method)), 0);
  bytes.set(uint16Bytes(length), 2);
  bytes.set(uint32Bytes(magicCookie), 4);
  bytes.set(fields.transactionId, 8);
  let offset = headerLength;
  const append = (type: number, value: Uint8Array): void => {
    bytes.set([...uint16Bytes(type), ...uint16Bytes(value.length)], offset);
    bytes.set(value, offset + 4);
    offset += 4 + paddedLength(value.length);
  };
  for (const { type, value } of attributes) append(type, value);
  if (integrity !== undefined) {
    const { algorithm, key } = integrity;
    append(integrityTypes[algorithm], computeIntegrity(bytes, offset, algorithm, key));
  }
  if (fingerprint) {
    append(attributeTypes.fingerprint, Uint8Array.from(uint32Bytes(computeFingerprint(bytes, offset))));
  }
  return bytes;
}

/** The first 16 bits: the method's 12 bits with the class's two between them (RFC 8489 §5, figure 3). */
function messageType(messageClass: MessageClass, method: number): number {
  const bits = classes.indexOf(messageClass);
  const spread = (method & 0x000f) | ((method & 0x0070) << 1) | ((method & 0x0f80) << 2);
  return spread | ((bits & 0b10) << 7) | ((bits & 0b01) << 4);
}

function checkFields({ transactionId, method }: MessageFields, length: number): void {
  if (transactionId.length !== transactionIdLength) {
    throw new PunchcastError(
      "INTERNAL",
      `A STUN transaction id has ${transactionIdLength} bytes, not ${transactionId.length}; please report this.`,
    );
  }
  if (!Number.isInteger(method) || method < 0 || method > 0xfff) {
    throw new PunchcastError("INTERNAL", `A STUN method has 12 bits, ${method} does not fit; please report this.`);
  }
  if (length > 0xffff) {
    throw new PunchcastError(
      "INTERNAL",
      `${length} bytes of attributes do not fit a STUN message; please report this.`,
    );
  }
}
