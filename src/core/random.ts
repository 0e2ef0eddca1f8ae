import { randomFillSync } from "node:crypto";

/** Where unpredictable bytes come from. Tests pass a seeded one. */
export interface Random {
  /** `length` fresh bytes. */
  bytes(length: number): Uint8Array;
}

/** The system's cryptographic generator. */
export const systemRandom: Random = {
  bytes: (length) => randomFillSync(new Uint8Array(length)),
};

/** A number in [0, 1) from 32 random bits. */
export function randomUnit(random: Random): number {
  return randomUint32(random) / 2 ** 32;
}

/** 32 random bits as an unsigned number. */
export function randomUint32(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random.bytes(4);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}
