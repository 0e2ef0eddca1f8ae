/*
 * Structures of Linux on little-endian 64-bit processors, as offsets in bytes (x86-64 and arm64 differ in one alone).
 */

/** `struct mmsghdr` (recvmmsg(2)): a `struct msghdr` of 56 bytes, then the length that was sent or received. */
export const messageHeader = {
  size: 64,
  name: 0,
  nameLength: 8,
  parts: 16,
  partCount: 24,
  control: 32,
  controlLength: 40,
  length: 56,
} as const;

/** `struct iovec`: a pointer and a length. */
export const part = { size: 16, base: 0, length: 8 } as const;

/** `struct cmsghdr` with one value of 2 or 4 bytes after it, padded to 8 (cmsg(3)). */
export const controlMessage = { size: 24, length: 0, level: 8, type: 12, value: 16 } as const;

/** `struct epoll_event`: packed on x86-64 only (sys/epoll.h). `data` is 8 bytes. */
export const epollEvent: { readonly size: number; readonly data: number } =
  process.arch === "x64" ? { size: 12, data: 4 } : { size: 16, data: 8 };

/** `struct sockaddr_in6` is the larger of the two: 28 bytes, rounded up to whole cache-friendly slots. */
export const addressSlot = 32;

/** Options of udp(7): both take and give the size of a segment. */
export const udpLevel = 17;
export const udpSegment = 103;
export const udpGro = 104;

/** MSG_DONTWAIT and MSG_NOSIGNAL (bits/socket.h). */
export const dontWait = 0x40;
export const noSignal = 0x4000;
