import { PunchcastError } from "../../core/errors.ts";

/** The commands of bpf(2) that are used here, by their numbers in <linux/bpf.h>. */
export const bpfCommands = {
  createMap: 0,
  lookup: 1,
  update: 2,
  delete: 3,
  nextKey: 4,
  loadProgram: 5,
  pin: 6,
  get: 7,
  testRun: 10,
  loadBtf: 18,
  createLink: 28,
  updateLink: 29,
} as const;

/** One field of `union bpf_attr`: its offset, and a number, a 64-bit number or bytes that the kernel gets the address of. */
export type Field = readonly [offset: number, value: number | bigint | Uint8Array];

/** The system calls of this process that Node has no way to. */
export interface Kernel {
  /**
   * bpf(2). Returns what it returns, or the negated error number.
   * @param attr receives the attributes as the kernel left them; default: a scratch buffer
   */
  bpf(command: number, fields: readonly Field[], attr?: Buffer): number;
  /** Shares memory with a map that was made for it, for reading and, unless `from` says else, for writing. */
  map(fd: number, length: number, from?: { readonly offset: number; readonly isReadOnly: boolean }): ArrayBuffer;
  /** Gives it back; its arrays are empty from then on. */
  unmap(memory: ArrayBuffer): void;
  /** Bytes of a page of memory. */
  readonly pageBytes: number;
  closeFd(fd: number): void;
  /** An interface of this network namespace, which /sys need not show; `undefined` if there is none of that name. */
  interface(
    name: string,
  ): { readonly index: number; readonly isEthernet: boolean; readonly isBondPort: boolean } | undefined;
  /** Mounts a bpf file system; returns 0 or the negated error number. */
  mountBpf(path: string): number;
}

/** Error numbers that are told apart, the same on every Linux that is supported. */
export const errno = { perm: 1, noEntry: 2, again: 11, exists: 17, noDevice: 19, invalid: 22, noSpace: 28 } as const;

/** bpf(2) by processor. */
const callNumbers: Readonly<Record<string, number>> = { x64: 321, arm64: 280 };
const attrBytes = 144;
/** SIOCGIFINDEX, SIOCGIFHWADDR and SIOCGIFFLAGS of <linux/sockios.h>; 1 is ARPHRD_ETHER, 0x800 IFF_SLAVE. */
const [getIndex, getType, getFlags] = [0x8933, 0x8927, 0x8913] as const;

let loaded: Promise<Kernel> | undefined;

/**
 * Opens the way to the kernel. koffi comes in only now, so that other planes never load it.
 * @throws PunchcastError UNSUPPORTED_HOST
 */
export function openKernel(): Promise<Kernel> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<Kernel> {
  const number = callNumbers[process.arch];
  if (process.platform !== "linux" || number === undefined) {
    throw new PunchcastError(
      "UNSUPPORTED_HOST",
      `The ebpf plane runs on Linux on x86-64 and arm64, not on ${process.platform} ${process.arch}: take --plane userspace.`,
    );
  }
  const { default: koffi } = await import("koffi");
  const libc = koffi.load(null);
  const syscall = libc.func("long syscall(long number, long command, void *attr, long size)");
  const mmap = libc.func("void *mmap(intptr_t at, size_t length, int prot, int flags, int fd, long offset)");
  const pageBytes = libc.func("int getpagesize()");
  const munmap = libc.func("int munmap(void *at, size_t length)");
  const close = libc.func("int close(int fd)");
  const socket = libc.func("int socket(int domain, int type, int protocol)");
  const ioctl = libc.func("int ioctl(int fd, unsigned long request, void *argument)");
  const mount = libc.func("int mount(str source, str target, str type, unsigned long flags, str data)");
  const scratch = Buffer.alloc(attrBytes);
  const places = new WeakMap<ArrayBuffer, unknown>();

  function bpf(command: number, fields: readonly Field[], attr: Buffer = scratch): number {
    attr.fill(0);
    for (const [offset, value] of fields) {
      if (typeof value === "number") attr.writeUInt32LE(value >>> 0, offset);
      else attr.writeBigUInt64LE(typeof value === "bigint" ? value : BigInt(koffi.address(value)), offset);
    }
    const result = Number(syscall(number, command, attr, attrBytes));
    return result < 0 ? -koffi.errno() : result;
  }

  return {
    bpf,
    pageBytes: pageBytes(),
    map(fd, length, { offset, isReadOnly } = { offset: 0, isReadOnly: false }) {
      const at: unknown = mmap(0, length, isReadOnly ? 1 : 3, 1, fd, offset);
      if (at === 0xffff_ffff_ffff_ffffn || at === -1n) {
        throw new PunchcastError(
          "TOOL_FAILED",
          `The memory of a BPF map could not be shared (error ${koffi.errno()}): take --plane userspace.`,
        );
      }
      const memory = koffi.view(at, length);
      places.set(memory, at);
      return memory;
    },
    unmap(memory) {
      const at = places.get(memory);
      if (at === undefined) return;
      places.delete(memory);
      const length = memory.byteLength;
      // Whoever kept an array finds it empty, where a read of memory that is gone would end the process.
      memory.transfer();
      munmap(at, length);
    },
    closeFd: (fd) => void close(fd),
    interface(name) {
      const request = Buffer.alloc(40);
      const fd = socket(2, 2 | 0x80000, 0);
      const ask = (what: number): number | undefined => {
        request.fill(0);
        request.write(name.slice(0, 15), "latin1");
        return ioctl(fd, what, request) === 0 ? request.readInt32LE(16) : undefined;
      };
      try {
        const index = ask(getIndex);
        if (index === undefined) return undefined;
        return {
          index,
          isEthernet: ((ask(getType) ?? 0) & 0xffff) === 1,
          isBondPort: ((ask(getFlags) ?? 0) & 0x800) !== 0,
        };
      } finally {
        close(fd);
      }
    },
    mountBpf: (path) => (mount("bpf", path, "bpf", 0, "mode=0700") === 0 ? 0 : -koffi.errno()),
  };
}

/** A null-terminated path for the kernel. */
export function pathBytes(path: string): Buffer {
  return Buffer.from(`${path}\0`);
}
