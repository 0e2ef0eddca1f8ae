import { addressFamily, type Endpoint } from "../core/address.ts";
import { loadLibc } from "./native/libc.ts";
import { allocate } from "./native/memory.ts";
import { encodeSocketAddress, families } from "./native/socket-address.ts";

/** Asks the system what packets a path takes. */
export interface PathMtu {
  /**
   * The largest IP packet, in bytes, that reaches `remote` in one piece as far as the system knows: its interface's MTU, or
   * less if a router on the way said so by ICMP (RFC 1191, RFC 8201). `undefined` if the system does not tell.
   */
  of(remote: Endpoint): number | undefined;
  close(): void;
}

/** SOCK_DGRAM | SOCK_CLOEXEC; IPPROTO_IP's IP_MTU and IPPROTO_IPV6's IPV6_MTU (linux/in.h, linux/in6.h). */
const datagrams = 2 | 0x80000;
const mtuOption = { 4: { level: 0, option: 14 }, 6: { level: 41, option: 24 } } as const;

/** Where there is no way to ask, `of` never knows. */
export async function createPathMtu(): Promise<PathMtu> {
  const libc = await loadLibc();
  if (libc === undefined) return { of: () => undefined, close() {} };
  const scratch = allocate(libc, 4_096);
  return {
    of(remote) {
      const family = addressFamily(remote.address);
      // A new one each time: a socket that could not be connected may not be fit for the next address.
      const fd = libc.socket(family === 6 ? families.ipv6 : families.ipv4, datagrams, 0);
      if (fd < 0) return undefined;
      const { level, option } = mtuOption[family];
      const length = encodeSocketAddress(scratch.u8, 0, remote);
      scratch.u32[17] = 4;
      const isKnown =
        libc.connect(fd, scratch.address, length) === 0 &&
        libc.getsockopt(fd, level, option, scratch.address + 64, scratch.address + 68) === 0;
      libc.close(fd);
      return isKnown ? scratch.u32[16] : undefined;
    },
    close: () => scratch.free(),
  };
}
