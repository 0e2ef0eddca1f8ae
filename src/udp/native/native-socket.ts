import { addressFamily, formatEndpoint } from "../../core/address.ts";
import type { PunchcastError } from "../../core/errors.ts";
import { bindError } from "../bind-error.ts";
import type { UdpSocket, UdpSocketOptions } from "../udp-socket.ts";
import { dontWait, noSignal, udpGro, udpLevel, udpSegment } from "./layout.ts";
import { errno, type Libc } from "./libc.ts";
import { allocate, type Memory } from "./memory.ts";
import { decodeSocketAddress, encodeSocketAddress, families } from "./socket-address.ts";

/** A bound UDP socket that nobody reads yet. It can be sent from on any thread. */
export interface NativeSocket extends Omit<UdpSocket, "close"> {
  readonly fd: number;
  /** Frees the port at once. */
  close(): void;
}

/** SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC (bits/socket_type.h; the same on x86-64 and arm64). */
const datagrams = 2 | 0x800 | 0x80000;

/** SOL_SOCKET's SO_SNDBUF, SO_RCVBUF, SO_SNDBUFFORCE, SO_RCVBUFFORCE; IPPROTO_IPV6's IPV6_V6ONLY. */
const socketLevel = 1;
const [sendBuffer, receiveBuffer, sendBufferForce, receiveBufferForce] = [7, 8, 32, 33];
const [ipv6Level, ipv6Only] = [41, 26];

/**
 * Binds a UDP socket.
 * @throws PunchcastError PORT_IN_USE, ADDRESS_UNAVAILABLE, NO_PRIVILEGE or INTERNAL
 */
export function openNativeSocket(libc: Libc, options: Omit<UdpSocketOptions, "onDatagram">): NativeSocket {
  const { address, port, bufferBytes } = options;
  const isIpv6 = addressFamily(address) === 6;
  const scratch = allocate(libc, 4_096);
  const fd = libc.socket(isIpv6 ? families.ipv6 : families.ipv4, datagrams, 0);
  const set = (level: number, option: number, value: number): boolean => {
    scratch.u32[0] = value;
    return libc.setsockopt(fd, level, option, scratch.address, 4) === 0;
  };
  const get = (level: number, option: number): number => {
    scratch.u32[1] = 4;
    const failed = libc.getsockopt(fd, level, option, scratch.address, scratch.address + 4) !== 0;
    return failed ? -1 : (scratch.u32[0] ?? 0);
  };
  // An IPv6 socket that took IPv4 too would hide which of the two a port is free for.
  if (isIpv6) set(ipv6Level, ipv6Only, 1);
  const length = encodeSocketAddress(scratch.u8, 0, { address, port });
  if (fd < 0 || libc.bind(fd, scratch.address, length) !== 0) {
    const failure = nativeBindError(libc.errno(), options);
    if (fd >= 0) libc.close(fd);
    scratch.free();
    throw failure;
  }
  if (bufferBytes !== undefined) {
    // The force needs CAP_NET_ADMIN; without it the system's limit holds.
    if (!set(socketLevel, receiveBufferForce, bufferBytes)) set(socketLevel, receiveBuffer, bufferBytes);
    if (!set(socketLevel, sendBufferForce, bufferBytes)) set(socketLevel, sendBuffer, bufferBytes);
  }
  set(udpLevel, udpGro, 1);
  const bound = boundPort(libc, fd, scratch);
  let open = true;
  let errors = 0;
  return {
    fd,
    local: { address, port: bound ?? port },
    send(bytes, to) {
      if (!open) return false;
      const size = encodeSocketAddress(scratch.u8, 0, to);
      if (libc.sendto(fd, bytes, bytes.length, dontWait | noSignal, scratch.address, size) >= 0) return true;
      const reason = libc.errno();
      if (reason !== errno.EAGAIN && reason !== errno.ENOBUFS) errors += 1;
      return false;
    },
    sendErrors: () => errors,
    // Linux reports twice what it granted, counting its own bookkeeping (socket(7), SO_RCVBUF).
    buffers: () => ({
      receiveBytes: get(socketLevel, receiveBuffer) / 2,
      sendBytes: get(socketLevel, sendBuffer) / 2,
    }),
    close() {
      if (!open) return;
      open = false;
      libc.close(fd);
      scratch.free();
    },
  };
}

/** True if the kernel cuts one message into many datagrams (Linux ≥ 4.18). An older one would send it as one, unasked. */
export function canSegment(libc: Libc): boolean {
  const scratch = allocate(libc, 4_096);
  const fd = libc.socket(families.ipv4, datagrams, 0);
  scratch.u32[1] = 4;
  const found = libc.getsockopt(fd, udpLevel, udpSegment, scratch.address, scratch.address + 4) === 0;
  libc.close(fd);
  scratch.free();
  return found;
}

function boundPort(libc: Libc, fd: number, scratch: Memory): number | undefined {
  scratch.u32[16] = 28;
  libc.getsockname(fd, scratch.address, scratch.address + 64);
  return decodeSocketAddress(scratch.u8, 0)?.port;
}

function nativeBindError(reason: number, options: Omit<UdpSocketOptions, "onDatagram">): PunchcastError {
  const { address, port, purpose = "UDP port" } = options;
  const code = Object.entries(errno).find(([, value]) => value === reason)?.[0] ?? `errno ${reason}`;
  return bindError(code, formatEndpoint({ address, port }), purpose);
}
