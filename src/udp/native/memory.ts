import type { Libc } from "./libc.ts";

/** Memory that stays where it is, for the kernel and for JavaScript. Zero at first. */
export interface Memory {
  /** Where it starts, in bytes; a multiple of the page size. */
  readonly address: number;
  readonly size: number;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  /** Gives it back. Nothing may touch it after that. */
  free(): void;
}

/** PROT_READ | PROT_WRITE and MAP_PRIVATE | MAP_ANONYMOUS (asm-generic/mman-common.h). */
const readWrite = 3;
const privateAnonymous = 0x22;

/**
 * Maps memory; pages that are never touched cost nothing.
 * @throws Error if the system has none left
 */
export function allocate(libc: Libc, size: number): Memory {
  const address = libc.mmap(0, size, readWrite, privateAnonymous, -1, 0);
  if (address <= 0) throw new Error(`no memory: ${size} bytes, errno ${libc.errno()}`);
  const bytes = libc.view(address, size);
  return {
    address,
    size,
    u8: new Uint8Array(bytes),
    u16: new Uint16Array(bytes),
    u32: new Uint32Array(bytes),
    free: () => void libc.munmap(address, size),
  };
}

/** Writes a pointer of 8 bytes at `index`, which counts words of 4 bytes. */
export function writePointer(words: Uint32Array, index: number, address: number): void {
  words[index] = address >>> 0;
  words[index + 1] = Math.floor(address / 2 ** 32);
}
