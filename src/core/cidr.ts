import { addressToBytes, bytesToAddress } from "./address.ts";

/** A block of addresses: `bytes` (4 or 16, host bits cleared) and how many leading bits count. */
export interface Cidr {
  readonly bytes: Uint8Array;
  readonly prefixLength: number;
}

/** Reads `192.0.2.0/24`, `2001:db8::/32` or a lone address (all bits count); `undefined` for anything else. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const bytes = match?.[1] === undefined ? undefined : addressToBytes(match[1]);
  if (bytes === undefined) return undefined;
  const prefixLength = match?.[2] === undefined ? bytes.length * 8 : Number(match[2]);
  if (prefixLength > bytes.length * 8) return undefined;
  return { bytes: maskBytes(bytes, prefixLength), prefixLength };
}

/** `192.0.2.0/24`. */
export function formatCidr(cidr: Cidr): string {
  return `${bytesToAddress(cidr.bytes)}/${cidr.prefixLength}`;
}

/** True if the normalized `address` lies in the block; IPv4 never lies in an IPv6 block. */
export function cidrContains(cidr: Cidr, address: string): boolean {
  const bytes = addressToBytes(address);
  if (bytes === undefined || bytes.length !== cidr.bytes.length) return false;
  const masked = maskBytes(bytes, cidr.prefixLength);
  return masked.every((byte, i) => byte === cidr.bytes[i]);
}

/** The block of `prefixLength` bits around a normalized address, as text: a key for per-prefix limits. */
export function prefixOf(address: string, ipv4Bits: number, ipv6Bits: number): string {
  const bytes = addressToBytes(address);
  if (bytes === undefined) return address;
  const prefixLength = bytes.length === 4 ? ipv4Bits : ipv6Bits;
  return formatCidr({ bytes: maskBytes(bytes, prefixLength), prefixLength });
}

function maskBytes(bytes: Uint8Array, prefixLength: number): Uint8Array {
  return bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixLength - i * 8))));
}
