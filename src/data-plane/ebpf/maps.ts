import { PunchcastError } from "../../core/errors.ts";
import { bpfCommands, errno, type Kernel, pathBytes } from "./bpf-syscall.ts";
import { type MapDefinition, type MapName, mapDefinitions } from "./layout.ts";

/** A hash of the kernel, by keys and values as bytes. */
export interface KernelTable {
  lookup(key: Uint8Array): Buffer | undefined;
  set(key: Uint8Array, value: Uint8Array): boolean;
  delete(key: Uint8Array): boolean;
  keys(): Buffer[];
}

/** The plane's maps: the shared ones as memory, the others as tables. */
export interface PlaneMaps {
  readonly fds: ReadonlyMap<string, number>;
  memory(name: "holes" | "fanouts" | "config"): ArrayBuffer;
  table(name: "flows" | "viewers" | "listening" | "unfanned"): KernelTable;
  close(): void;
}

const kinds = { hash: 1, array: 2, lru: 9, ring: 27 } as const;
/** BPF_F_MMAPABLE, and BPF_F_NO_PREALLOC: a table of 64 Ki places costs what is in it. */
const [mmapable, noPreallocation] = [1 << 10, 1];

/** Makes the maps, or takes those whose file descriptors are given. */
export function openMaps(kernel: Kernel, adopted?: ReadonlyMap<string, number>): PlaneMaps {
  const fds = new Map<string, number>();
  const memories = new Map<string, ArrayBuffer>();
  const close = (): void => {
    for (const memory of memories.values()) kernel.unmap(memory);
    for (const fd of fds.values()) kernel.closeFd(fd);
    memories.clear();
    fds.clear();
  };
  try {
    for (const definition of Object.values(mapDefinitions)) {
      const fd = adopted?.get(definition.name) ?? createMap(kernel, definition);
      fds.set(definition.name, fd);
      if (definition.shared) memories.set(definition.name, kernel.map(fd, definition.valueBytes * definition.entries));
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    fds,
    close,
    memory: (name) => memories.get(name) ?? new ArrayBuffer(0),
    table: (name) => createTable(kernel, fds.get(name) ?? -1, mapDefinitions[name]),
  };
}

function createMap(kernel: Kernel, { name, kind, keyBytes, valueBytes, entries, shared }: MapDefinition): number {
  const text = Buffer.alloc(16);
  text.write(`pc_${name}`.slice(0, 15), "latin1");
  const fd = kernel.bpf(bpfCommands.createMap, [
    [0, kinds[kind]],
    [4, keyBytes],
    [8, valueBytes],
    [12, entries],
    [16, shared ? mmapable : kind === "hash" ? noPreallocation : 0],
    ...[0, 4, 8, 12].map((at) => [28 + at, text.readUInt32LE(at)] as const),
  ]);
  if (fd >= 0) return fd;
  if (-fd === errno.perm) {
    throw new PunchcastError(
      "NO_PRIVILEGE",
      "The ebpf plane may not make BPF maps: run as root or with CAP_BPF and CAP_NET_ADMIN.",
    );
  }
  throw new PunchcastError(
    "UNSUPPORTED_HOST",
    `The kernel refuses the ebpf plane its map "${name}" (error ${-fd}): it needs Linux 5.17 or newer and 25 MB of memory.`,
  );
}

function createTable(kernel: Kernel, fd: number, { keyBytes, valueBytes }: MapDefinition): KernelTable {
  const value = Buffer.alloc(valueBytes);
  const next = Buffer.alloc(keyBytes);
  return {
    lookup: (key) =>
      kernel.bpf(bpfCommands.lookup, [
        [0, fd],
        [8, key],
        [16, value],
      ]) === 0
        ? Buffer.from(value)
        : undefined,
    set: (key, bytes) =>
      kernel.bpf(bpfCommands.update, [
        [0, fd],
        [8, key],
        [16, bytes],
      ]) === 0,
    delete: (key) =>
      kernel.bpf(bpfCommands.delete, [
        [0, fd],
        [8, key],
      ]) === 0,
    keys() {
      const keys: Buffer[] = [];
      // Without a key the first one comes back.
      for (let key: Buffer | undefined; ; key = keys.at(-1)) {
        const fields = [[0, fd], [16, next], ...(key ? ([[8, key]] as const) : [])] as const;
        if (kernel.bpf(bpfCommands.nextKey, fields) !== 0) return keys;
        keys.push(Buffer.from(next));
      }
    },
  };
}

/** All maps by the names under which they are pinned. */
export const mapNames: readonly MapName[] = Object.keys(mapDefinitions) as MapName[];

/** Pins an object of the kernel under a path; returns 0 or the negated error number. */
export function pin(kernel: Kernel, fd: number, path: string): number {
  return kernel.bpf(bpfCommands.pin, [
    [0, pathBytes(path)],
    [8, fd],
  ]);
}

/** Opens a pinned object; `undefined` if there is none. */
export function openPinned(kernel: Kernel, path: string): number | undefined {
  const fd = kernel.bpf(bpfCommands.get, [[0, pathBytes(path)]]);
  return fd < 0 ? undefined : fd;
}
