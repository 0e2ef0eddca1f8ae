import type { FileHandle } from "node:fs/promises";

/** One box of the file's outermost level (ISO/IEC 14496-12 §4.2). */
export interface TopLevelBox {
  readonly type: string;
  /** Bytes from the file's start. */
  readonly start: number;
  /** With the header. May reach beyond the file's end if the file was cut. */
  readonly size: number;
}

/** `size` and `type`, then 64 bits of size if `size` is 1. */
const headerLength = 8;
const longHeaderLength = 16;

/**
 * The boxes of an MP4 file, found by reading nothing but their headers. Ends where something else than a box begins, so
 * for a file that is no MP4 there may be none.
 */
export async function readTopLevelBoxes(file: FileHandle, fileSize: number): Promise<TopLevelBox[]> {
  const boxes: TopLevelBox[] = [];
  const header = new Uint8Array(longHeaderLength);
  const view = new DataView(header.buffer);
  for (let start = 0; start + headerLength <= fileSize; ) {
    const { bytesRead } = await file.read(header, 0, longHeaderLength, start);
    const type = Buffer.from(header.subarray(4, 8)).toString("latin1");
    const short = view.getUint32(0);
    // 0 means "up to the file's end".
    const size = short === 0 ? fileSize - start : short === 1 ? Number(view.getBigUint64(8)) : short;
    const least = short === 1 ? longHeaderLength : headerLength;
    if (bytesRead < least || size < least || !/^[\x20-\x7e]{4}$/.test(type)) break;
    boxes.push({ type, start, size });
    start += size;
  }
  return boxes;
}

/** The box's bytes, header included; `undefined` if the file ends before the box does. */
export async function readBox(file: FileHandle, box: TopLevelBox, fileSize: number): Promise<Uint8Array | undefined> {
  if (box.start + box.size > fileSize) return undefined;
  const bytes = new Uint8Array(box.size);
  const { bytesRead } = await file.read(bytes, 0, box.size, box.start);
  return bytesRead === box.size ? bytes : undefined;
}
