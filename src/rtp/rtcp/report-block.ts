import { readUint24, readUint32, writeUint24, writeUint32 } from "../wire.ts";

/**
 * What a receiver says about one source (RFC 3550 §6.4.1):
 *
 *     +---------------------------------------------------------------+
 *     |                             ssrc                              |
 *     +---------------+-----------------------------------------------+
 *     | fractionLost  |           cumulativeLost (signed)             |
 *     +---------------+-----------------------------------------------+
 *     |                    highestSequenceNumber                      |
 *     |                            jitter                             |
 *     |                       lastSenderReport                        |
 *     |                    delaySinceSenderReport                     |
 *     +---------------------------------------------------------------+
 */
export interface ReportBlock {
  readonly ssrc: number;
  /** 0-255: 256ths of the packets expected since the last report that were lost. */
  readonly fractionLost: number;
  /** -2²³ to 2²³-1; negative when duplicates outnumber losses. */
  readonly cumulativeLost: number;
  /** The highest sequence number received, with its wraps in the upper 16 bits. */
  readonly highestSequenceNumber: number;
  /** In ticks of the payload's clock. */
  readonly jitter: number;
  /** `middle32` of the last sender report's NTP timestamp; 0 if none came. */
  readonly lastSenderReport: number;
  /** Since that report came, in 1/65536 s; 0 if none came. */
  readonly delaySinceSenderReport: number;
}

/** Bytes of one block. */
export const reportBlockLength = 24;

/** How many blocks a report has room for: its count is 5 bits wide (RFC 3550 §6.4.1). */
export const maxReportBlocks = 31;

/** Reads `count` blocks from `at`; `undefined` if there are fewer bytes. What follows them is the profile's, and ignored. */
export function readReportBlocks(body: Uint8Array, at: number, count: number): ReportBlock[] | undefined {
  if (at + count * reportBlockLength > body.length) return undefined;
  return Array.from({ length: count }, (_, i) => readReportBlock(body, at + i * reportBlockLength));
}

/** Writes the blocks from `at`. */
export function writeReportBlocks(body: Uint8Array, at: number, blocks: readonly ReportBlock[]): void {
  blocks.forEach((block, i) => {
    const start = at + i * reportBlockLength;
    writeUint32(body, start, block.ssrc);
    body[start + 4] = block.fractionLost;
    writeUint24(body, start + 5, block.cumulativeLost);
    writeUint32(body, start + 8, block.highestSequenceNumber);
    writeUint32(body, start + 12, block.jitter);
    writeUint32(body, start + 16, block.lastSenderReport);
    writeUint32(body, start + 20, block.delaySinceSenderReport);
  });
}

function readReportBlock(body: Uint8Array, at: number): ReportBlock {
  return {
    ssrc: readUint32(body, at),
    fractionLost: body[at + 4] ?? 0,
    cumulativeLost: (readUint24(body, at + 5) << 8) >> 8,
    highestSequenceNumber: readUint32(body, at + 8),
    jitter: readUint32(body, at + 12),
    lastSenderReport: readUint32(body, at + 16),
    delaySinceSenderReport: readUint32(body, at + 20),
  };
}
