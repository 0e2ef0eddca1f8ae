import type { Endpoint } from "../../core/address.ts";
import type { Decoded } from "../../core/result.ts";
import { uint32Bytes } from "../bytes.ts";
import { magicCookie } from "../message.ts";
import { type AddressReason, decodeMappedAddress, encodeMappedAddress } from "./mapped-address.ts";

/**
 * XOR-MAPPED-ADDRESS (RFC 8489 §14.2): a MAPPED-ADDRESS whose port and address are XORed with the magic cookie followed
 * by the transaction id, so that a NAT that rewrites addresses found in payloads does not recognize this one.
 *
 * ```
 * |0 0 0 0 0 0 0 0|  family 1 / 2 |     port ^ cookie >> 16       |
 * |      address ^ cookie, or ^ cookie and transaction id         |
 * ```
 *
 * Throws `INTERNAL` if the endpoint's address is not an IP literal.
 */
export function encodeXorMappedAddress(endpoint: Endpoint, transactionId: Uint8Array): Uint8Array {
  return xored(encodeMappedAddress(endpoint), transactionId);
}

/** Reads what `encodeXorMappedAddress` writes. `transactionId` is that of the message the value came in. */
export function decodeXorMappedAddress(value: Uint8Array, transactionId: Uint8Array): Decoded<Endpoint, AddressReason> {
  return decodeMappedAddress(xored(value, transactionId));
}

function xored(value: Uint8Array, transactionId: Uint8Array): Uint8Array {
  const cookie = uint32Bytes(magicCookie);
  const mask = Uint8Array.from([0, 0, ...cookie.slice(0, 2), ...cookie, ...transactionId]);
  return value.map((byte, i) => byte ^ (mask[i] ?? 0));
}
