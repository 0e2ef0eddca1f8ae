import { addressToBytes, bytesToAddress, type Endpoint } from "../../core/address.ts";

/** AF_INET and AF_INET6 on Linux. */
export const families = { ipv4: 2, ipv6: 10 } as const;

/** Writes an endpoint as `struct sockaddr_in` or `sockaddr_in6` at `offset`; returns its length, 16 or 28 bytes. */
export function encodeSocketAddress(to: Uint8Array, offset: number, { address, port }: Endpoint): number {
  const bytes = addressToBytes(address) ?? new Uint8Array(4);
  const length = bytes.length === 4 ? 16 : 28;
  to.fill(0, offset, offset + length);
  to[offset] = bytes.length === 4 ? families.ipv4 : families.ipv6;
  to[offset + 2] = port >>> 8;
  to[offset + 3] = port & 0xff;
  to.set(bytes, offset + (bytes.length === 4 ? 4 : 8));
  return length;
}

/** Reads what `encodeSocketAddress` writes and the kernel too; `undefined` for any other family. */
export function decodeSocketAddress(from: Uint8Array, offset: number): Endpoint | undefined {
  const port = ((from[offset + 2] ?? 0) << 8) | (from[offset + 3] ?? 0);
  const family = from[offset];
  if (family === families.ipv4) return { address: bytesToAddress(from.subarray(offset + 4, offset + 8)), port };
  if (family === families.ipv6) return { address: bytesToAddress(from.subarray(offset + 8, offset + 24)), port };
  return undefined;
}

/**
 * A key that is equal for equal endpoints: a number for IPv4 (48 bits fit), a text for IPv6. Cheaper than the endpoint's
 * own text, since it is made for each datagram.
 */
export function socketAddressKey(bytes: Uint8Array, words: Uint32Array, offset: number): number | string {
  const port = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
  const at = offset >> 2;
  if (bytes[offset] === families.ipv4) return (words[at + 1] ?? 0) * 65_536 + port;
  return `${words[at + 2]},${words[at + 3]},${words[at + 4]},${words[at + 5]},${port}`;
}
