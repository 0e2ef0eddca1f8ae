import assert from "node:assert/strict";
import fc from "fast-check";
import { bytesToAddress, type Endpoint } from "../../src/core/address.ts";
import { PunchcastError } from "../../src/core/errors.ts";
import type { Decoded } from "../../src/core/result.ts";
import { decodeMessage, type StunMessage } from "../../src/stun/message.ts";

/** The value, or a failed test. */
export function unwrap<T>(result: Decoded<T>): T {
  assert.ok(result.ok, result.ok ? "" : `malformed: ${result.reason}`);
  return result.value;
}

/** The reason, or a failed test. */
export function reasonOf(result: Decoded<unknown>): string {
  assert.ok(!result.ok, "decoded what it should have refused");
  return result.reason;
}

/** The message that the bytes are, or a failed test. */
export function messageOf(bytes: Uint8Array): StunMessage {
  return unwrap(decodeMessage(bytes));
}

/** Fails unless `task` throws a `PunchcastError` with this code. */
export function assertThrowsCode(code: string, task: () => unknown): void {
  assert.throws(task, (error) => error instanceof PunchcastError && error.code === code);
}

/** Any bytes, mostly short. */
export const anyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 1000 }),
);

/** Exactly `length` bytes. */
export function bytesOf(length: number): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ minLength: length, maxLength: length });
}

/** Any normalized endpoint. */
export const anyEndpoint: fc.Arbitrary<Endpoint> = fc
  .tuple(fc.oneof(bytesOf(4), bytesOf(16)).map(bytesToAddress), fc.nat(0xffff))
  .map(([address, port]) => ({ address, port }));
