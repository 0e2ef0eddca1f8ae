import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { PunchcastError } from "../../core/errors.ts";
import { bpfCommands, errno, type Kernel } from "./bpf-syscall.ts";
import { type CodeSection, decodeBpfObject } from "./elf.ts";

/** The object that comes with the package: the same bytecode for every processor. `npm run build:bpf` makes it. */
export function objectPath(): string {
  // src/data-plane/ebpf and dist/data-plane/ebpf lie equally deep.
  return fileURLToPath(new URL("../../../assets/bpf/fanout.o", import.meta.url));
}

const instructionBytes = 8;
const mainSection = "tc/main";
/** BPF_PSEUDO_MAP_FD and BPF_PSEUDO_FUNC of <linux/bpf.h>, in the source register's half of an instruction's second byte. */
const [pseudoMap, pseudoFunction] = [1, 4];

/** Puts the sections one after the other, the entry first, with maps and callbacks filled in. */
export function linkProgram(
  sections: readonly CodeSection[],
  mapFd: (name: string) => number | undefined,
): { readonly code: Buffer; readonly functionOffsets: readonly number[] } {
  const ordered = [
    ...sections.filter(({ name }) => name === mainSection),
    ...sections.filter(({ name }) => name !== mainSection),
  ];
  const starts = new Map<string, number>();
  let length = 0;
  for (const { name, code } of ordered) {
    starts.set(name, length);
    length += code.length;
  }
  const code = Buffer.concat(ordered.map((section) => section.code));
  for (const { name, relocations } of ordered) {
    for (const { offset, symbol } of relocations) {
      const at = (starts.get(name) ?? 0) + offset;
      const target = starts.get(symbol);
      const fd = mapFd(symbol);
      if (target !== undefined) {
        const start = target + code.readInt32LE(at + 4);
        patch(code, at, pseudoFunction, (start - at) / instructionBytes - 1);
      } else if (fd !== undefined) patch(code, at, pseudoMap, fd);
      else
        throw new PunchcastError("INTERNAL", `The BPF object names a map "${symbol}" that the loader does not make.`);
    }
  }
  return { code, functionOffsets: [...starts.values()].map((start) => start / instructionBytes) };
}

function patch(code: Buffer, at: number, source: number, immediate: number): void {
  code[at + 1] = ((code[at + 1] ?? 0) & 0x0f) | (source << 4);
  code.writeInt32LE(immediate, at + 4);
}

/**
 * Type information that says no more than that the program has these functions and that they are static, which the verifier
 * wants to know of callbacks (BTF, Documentation/bpf/btf.rst).
 */
export function encodeBtf(functions: number): Buffer {
  const strings = Buffer.from(`\0int\0${Array.from({ length: functions }, (_, i) => `f${i}\0`).join("")}`);
  const types: number[] = [1, 0x0100_0000, 4, 0x0100_0020]; // type 1: int, signed, 32 bits
  types.push(0, 0x0d00_0000, 1); // type 2: a function that returns it
  for (let i = 0, name = 5; i < functions; i += 1) {
    types.push(name, 0x0c00_0000, 2); // types 3 and on: static functions
    name += `f${i}`.length + 1;
  }
  const body = Buffer.alloc(types.length * 4);
  for (const [i, word] of types.entries()) body.writeUInt32LE(word, i * 4);
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header[2] = 1;
  for (const [i, word] of [24, 0, body.length, body.length, strings.length].entries()) {
    header.writeUInt32LE(word, 4 + i * 4);
  }
  return Buffer.concat([header, body, strings]);
}

/**
 * Loads the program into the kernel; returns its file descriptor.
 * @throws PunchcastError NO_PRIVILEGE, UNSUPPORTED_HOST with the verifier's last words
 */
export async function loadProgram(
  kernel: Kernel,
  mapFd: (name: string) => number | undefined,
  path: string = objectPath(),
): Promise<number> {
  const object = decodeBpfObject(await readFile(path));
  if (!object.ok) throw new PunchcastError("INTERNAL", `${path} is no BPF object (${object.reason}): build it anew.`);
  const { code, functionOffsets } = linkProgram(object.value, mapFd);
  const btf = encodeBtf(functionOffsets.length);
  const btfFd = kernel.bpf(bpfCommands.loadBtf, [
    [0, btf],
    [16, btf.length],
  ]);
  if (btfFd < 0) throw refused(-btfFd, "its types");
  const functions = Buffer.alloc(functionOffsets.length * 8);
  for (const [i, offset] of functionOffsets.entries()) {
    functions.writeUInt32LE(offset, i * 8);
    functions.writeUInt32LE(3 + i, i * 8 + 4);
  }
  const name = Buffer.from("punchcast\0");
  // The kernel lets only programs under this licence look up routes; fanout.bpf.c may be had under it.
  const license = Buffer.from("GPL\0");
  const attributes = (log?: Buffer): Parameters<Kernel["bpf"]>[1] => [
    [0, 3], // BPF_PROG_TYPE_SCHED_CLS
    [4, code.length / instructionBytes],
    [8, code],
    [16, license],
    ...(log
      ? ([
          [24, 1],
          [28, log.length],
          [32, log],
        ] as const)
      : []),
    [48, name.readUInt32LE(0)],
    [52, name.readUInt32LE(4)],
    [56, name.readUInt16LE(8)],
    [72, btfFd],
    [76, 8],
    [80, functions],
    [88, functionOffsets.length],
  ];
  try {
    let fd = -errno.again;
    for (let attempt = 0; fd === -errno.again && attempt < loadAttempts; attempt += 1) {
      fd = kernel.bpf(bpfCommands.loadProgram, attributes());
    }
    if (fd >= 0) return fd;
    const log = Buffer.alloc(1 << 20);
    kernel.bpf(bpfCommands.loadProgram, attributes(log));
    const words = log
      .toString("latin1", 0, Math.max(0, log.indexOf(0)))
      .trim()
      .split("\n");
    if (process.env.PUNCHCAST_BPF_LOG) process.stderr.write(`${words.join("\n")}\n`);
    throw refused(-fd, `its program${words.length > 1 ? ` ("${words.at(-3)}")` : ""}`);
  } finally {
    kernel.closeFd(btfFd);
  }
}

/** The verifier gives up with EAGAIN when a signal comes meanwhile, as they do in Node; five in a row is no chance any more. */
const loadAttempts = 5;

function refused(number: number, what: string): PunchcastError {
  if (number === errno.perm) {
    return new PunchcastError(
      "NO_PRIVILEGE",
      "The ebpf plane may not load its program: run as root or with CAP_BPF and CAP_NET_ADMIN.",
    );
  }
  return new PunchcastError(
    "UNSUPPORTED_HOST",
    `This kernel refuses the ebpf plane ${what} (error ${number}): it needs Linux 5.17 or newer; take --plane userspace.`,
  );
}
