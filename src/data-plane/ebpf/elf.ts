import type { Decoded } from "../../core/result.ts";

/** A place in a section's code where the address of a symbol belongs. */
export interface Relocation {
  readonly offset: number;
  /** The symbol's name; that of its section for what is defined in the object itself. */
  readonly symbol: string;
}

/** The code of one section of a BPF object. */
export interface CodeSection {
  readonly name: string;
  readonly code: Buffer;
  readonly relocations: readonly Relocation[];
}

/** Why an object cannot be read. */
export type ElfFault = "not-a-bpf-object" | "truncated";

/** EM_BPF, SHT_PROGBITS, SHT_SYMTAB, SHT_REL and SHF_EXECINSTR of <elf.h>. */
const [machineBpf, programBits, symbolTable, relocationTable, executable] = [247, 1, 2, 9, 4];
const [sectionBytes, symbolBytes, relocationBytes] = [64, 24, 16];

interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly link: number;
  readonly info: number;
  readonly bytes: Buffer;
}

/** Reads the code sections of a little-endian 64-bit BPF object, as clang writes them. */
export function decodeBpfObject(file: Buffer): Decoded<readonly CodeSection[], ElfFault> {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1)
    return { ok: false, reason: "not-a-bpf-object" };
  if (file.readUInt16LE(18) !== machineBpf) return { ok: false, reason: "not-a-bpf-object" };
  const sections = readSections(file);
  if (sections === undefined) return { ok: false, reason: "truncated" };
  const symbols = sections.find(({ type }) => type === symbolTable);
  const names = symbols && sections[symbols.link];
  const nameOf = (index: number): string => {
    const at = index * symbolBytes;
    if (symbols === undefined || names === undefined || at + symbolBytes > symbols.bytes.length) return "";
    const own = sections[symbols.bytes.readUInt16LE(at + 6)];
    return own && own.type !== 0 ? own.name : text(names.bytes, symbols.bytes.readUInt32LE(at));
  };
  const value = sections.flatMap((section, index) => {
    const { name, type, flags, bytes: code } = section;
    if (type !== programBits || (flags & executable) === 0 || code.length === 0) return [];
    const tables = sections.filter((other) => other.type === relocationTable && other.info === index);
    const relocations = tables.flatMap(({ bytes }) =>
      Array.from({ length: Math.floor(bytes.length / relocationBytes) }, (_, i) => ({
        offset: Number(bytes.readBigUInt64LE(i * relocationBytes)),
        symbol: nameOf(bytes.readUInt32LE(i * relocationBytes + 12)),
      })),
    );
    return [{ name, code, relocations }];
  });
  return { ok: true, value };
}

function readSections(file: Buffer): Section[] | undefined {
  const start = Number(file.readBigUInt64LE(40));
  const count = file.readUInt16LE(60);
  if (start + count * sectionBytes > file.length) return undefined;
  const headers = Array.from({ length: count }, (_, i) => file.subarray(start + i * sectionBytes));
  const bytesOf = (header: Buffer): Buffer => {
    const offset = Number(header.readBigUInt64LE(24));
    return file.subarray(offset, offset + Number(header.readBigUInt64LE(32)));
  };
  const nameTable = headers[file.readUInt16LE(62)];
  if (nameTable === undefined) return undefined;
  return headers.map((header) => ({
    name: text(bytesOf(nameTable), header.readUInt32LE(0)),
    type: header.readUInt32LE(4),
    flags: header.readUInt32LE(8),
    link: header.readUInt32LE(40),
    info: header.readUInt32LE(44),
    bytes: bytesOf(header),
  }));
}

function text(table: Buffer, offset: number): string {
  const end = table.indexOf(0, offset);
  return table.toString("latin1", offset, end < 0 ? table.length : end);
}
