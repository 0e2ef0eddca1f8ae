import { endianness } from "node:os";

/**
 * The calls of the C library that Node has no way to make. Pointers and lengths are plain numbers: addresses of Linux
 * processes stay below 2^47. A failed call gives -1 and leaves its reason in `errno`.
 */
export interface Libc {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: number, length: number): number;
  connect(fd: number, address: number, length: number): number;
  getsockname(fd: number, address: number, length: number): number;
  setsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: number, length: number): number;
  sendto(fd: number, bytes: Uint8Array, size: number, flags: number, address: number, length: number): number;
  recvmmsg(fd: number, headers: number, count: number, flags: number, timeout: number): number;
  sendmmsg(fd: number, headers: number, count: number, flags: number): number;
  poll(fds: number, count: number, timeoutMs: number): number;
  epollCreate(flags: number): number;
  epollControl(epoll: number, operation: number, fd: number, event: number): number;
  epollWait(epoll: number, events: number, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  read(fd: number, to: number, size: number): number;
  write(fd: number, from: number, size: number): number;
  close(fd: number): number;
  mmap(at: number, size: number, protection: number, flags: number, fd: number, offset: number): number;
  munmap(at: number, size: number): number;
  /** Why the call before failed, on this thread. */
  errno(): number;
  /** The memory at an address, not a copy. */
  view(address: number, size: number): ArrayBuffer;
}

/** Reasons of failed calls, the same on x86-64 and arm64 (asm-generic/errno.h). */
export const errno = {
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  EACCES: 13,
  EINVAL: 22,
  EPERM: 1,
  ENOPROTOOPT: 92,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENOBUFS: 105,
} as const;

const prototypes = {
  socket: "int socket(int, int, int)",
  bind: "int bind(int, intptr_t, uint32_t)",
  connect: "int connect(int, intptr_t, uint32_t)",
  getsockname: "int getsockname(int, intptr_t, intptr_t)",
  setsockopt: "int setsockopt(int, int, int, intptr_t, uint32_t)",
  getsockopt: "int getsockopt(int, int, int, intptr_t, intptr_t)",
  sendto: "intptr_t sendto(int, const void *, size_t, int, intptr_t, uint32_t)",
  recvmmsg: "int recvmmsg(int, intptr_t, uint32_t, int, intptr_t)",
  sendmmsg: "int sendmmsg(int, intptr_t, uint32_t, int)",
  poll: "int poll(intptr_t, unsigned long, int)",
  epollCreate: "int epoll_create1(int)",
  epollControl: "int epoll_ctl(int, int, int, intptr_t)",
  epollWait: "int epoll_wait(int, intptr_t, int, int)",
  eventfd: "int eventfd(unsigned int, int)",
  read: "intptr_t read(int, intptr_t, size_t)",
  write: "intptr_t write(int, intptr_t, size_t)",
  close: "int close(int)",
  mmap: "intptr_t mmap(intptr_t, size_t, int, int, int, int64_t)",
  munmap: "int munmap(intptr_t, size_t)",
} as const;

let loading: Promise<Libc | undefined> | undefined;

/**
 * Loads the C library of this process once for each thread. `undefined` where the layouts of this folder do not hold or
 * the calls are missing: not Linux, not a little-endian 64-bit processor, or no koffi for it.
 */
export function loadLibc(): Promise<Libc | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Libc | undefined> {
  if (process.platform !== "linux" || endianness() !== "LE" || !["x64", "arm64"].includes(process.arch))
    return undefined;
  try {
    const { default: koffi } = await import("koffi");
    // No name: what the process itself is linked to, glibc or musl.
    const library = koffi.load(null);
    const calls = Object.entries(prototypes).map(([name, prototype]) => [name, library.func(prototype)]);
    return { ...Object.fromEntries(calls), errno: () => koffi.errno(), view: koffi.view };
  } catch {
    return undefined;
  }
}
