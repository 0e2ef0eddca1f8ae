import { addressFamily, addressToBytes, type Endpoint } from "../../src/core/address.ts";

/** What is odd about a frame. */
export interface FrameOptions {
  readonly payload: Uint8Array;
  /** Wraps it in an 802.1Q tag. */
  readonly isTagged?: boolean;
  /** IPv4: four bytes of options (no-operation). */
  readonly hasOptions?: boolean;
  /** The first of several fragments. */
  readonly isFragment?: boolean;
  readonly checksum?: "right" | "wrong" | "none";
  /** Cuts this many bytes off the end. */
  readonly cut?: number;
}

/** An Ethernet frame with a UDP datagram, to the address of loopback's Ethernet: all zeros. */
export function udpFrame(from: Endpoint, to: Endpoint, options: FrameOptions): Buffer {
  const { payload, isTagged = false, hasOptions = false, isFragment = false, checksum = "right", cut = 0 } = options;
  const [source, target] = [addressToBytes(from.address) ?? [], addressToBytes(to.address) ?? []];
  const udp = Buffer.alloc(8 + payload.length);
  udp.writeUInt16BE(from.port, 0);
  udp.writeUInt16BE(to.port, 2);
  udp.writeUInt16BE(udp.length, 4);
  udp.set(payload, 8);
  const pseudo = Buffer.from([...source, ...target, 0, 17, udp.length >> 8, udp.length & 0xff]);
  const sum = internetChecksum(Buffer.concat([pseudo, udp])) || 0xffff;
  udp.writeUInt16BE(checksum === "none" ? 0 : checksum === "wrong" ? sum ^ 0x1234 : sum, 6);
  const isIpv6 = addressFamily(from.address) === 6;
  const ip = isIpv6
    ? ipv6Header(source, target, udp.length, isFragment)
    : ipv4Header(source, target, udp.length, hasOptions, isFragment);
  const type = isIpv6 ? 0x86dd : 0x0800;
  const tag = isTagged ? Buffer.from([0x81, 0, 0, 5]) : Buffer.alloc(0);
  const ethernet = Buffer.concat([
    Buffer.alloc(6),
    Buffer.from("020000000001", "hex"),
    tag,
    Buffer.from([type >> 8, type & 0xff]),
  ]);
  const frame = Buffer.concat([ethernet, ip, udp]);
  return frame.subarray(0, frame.length - cut);
}

function ipv4Header(
  source: Iterable<number>,
  target: Iterable<number>,
  length: number,
  hasOptions: boolean,
  isFragment: boolean,
): Buffer {
  const header = Buffer.alloc(hasOptions ? 24 : 20);
  header[0] = 0x40 | (header.length / 4);
  header.writeUInt16BE(header.length + length, 2);
  header.writeUInt16BE(isFragment ? 0x2000 : 0x4000, 6);
  header[8] = 57;
  header[9] = 17;
  header.set([...source], 12);
  header.set([...target], 16);
  if (hasOptions) header.fill(1, 20);
  header.writeUInt16BE(internetChecksum(header), 10);
  return header;
}

function ipv6Header(source: Iterable<number>, target: Iterable<number>, length: number, isFragment: boolean): Buffer {
  const fragment = isFragment ? Buffer.from([17, 0, 0, 1, 0, 0, 0, 9]) : Buffer.alloc(0);
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(fragment.length + length, 4);
  header[6] = isFragment ? 44 : 17;
  header[7] = 57;
  header.set([...source], 8);
  header.set([...target], 24);
  return Buffer.concat([header, fragment]);
}

/** RFC 1071. */
function internetChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
