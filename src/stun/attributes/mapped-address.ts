import { addressToBytes, bytesToAddress, type Endpoint } from "../../core/address.ts";
import { PunchcastError } from "../../core/errors.ts";
import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { uint16At, uint16Bytes } from "../bytes.ts";

/** Why bytes are not an address attribute: the family is neither IPv4 nor IPv6, or the length is not that family's. */
export type AddressReason = "bad-length" | "unknown-family";

/** Bytes of an address in each family (RFC 8489 §14.1). */
const addressLengths: ReadonlyMap<number, number> = new Map([
  [0x01, 4],
  [0x02, 16],
]);

/**
 * MAPPED-ADDRESS, and ALTERNATE-SERVER, which looks the same (RFC 8489 §14.1, §14.15).
 *
 * ```
 * |0 0 0 0 0 0 0 0|  family 1 / 2 |             port              |
 * |                 address, 32 bits or 128 bits                  |
 * ```
 *
 * Throws `INTERNAL` if the endpoint's address is not an IP literal.
 */
export function encodeMappedAddress(endpoint: Endpoint): Uint8Array {
  const address = addressToBytes(endpoint.address);
  if (address === undefined) {
    throw new PunchcastError(
      "INTERNAL",
      `${JSON.stringify(endpoint.address)} is not an IP address; please report this.`,
    );
  }
  return Uint8Array.from([0, address.length === 4 ? 0x01 : 0x02, ...uint16Bytes(endpoint.port), ...address]);
}

/** Reads what `encodeMappedAddress` writes; the first byte is ignored, as the standard asks. */
export function decodeMappedAddress(value: Uint8Array): Decoded<Endpoint, AddressReason> {
  if (value.length < 4) return malformed("bad-length");
  const length = addressLengths.get(value[1] ?? 0);
  if (length === undefined) return malformed("unknown-family");
  if (value.length !== 4 + length) return malformed("bad-length");
  return decoded({ address: bytesToAddress(value.subarray(4)), port: uint16At(value, 2) });
}
