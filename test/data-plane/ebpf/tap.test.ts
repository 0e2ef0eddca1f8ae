import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openTap, type Walked } from "../../../src/data-plane/ebpf/tap.ts";

const [ringBytes, page, header] = [4_096, 4_096, 8] as const;

/** A ring as the kernel writes it: `reserve` makes a place, the returned function fills or discards it. */
function kernelRing() {
  const [consumer, producer] = [new ArrayBuffer(page), new ArrayBuffer(page + 2 * ringBytes)];
  const [taken, written] = [new BigUint64Array(consumer, 0, 1), new BigUint64Array(producer, 0, 1)];
  const view = new DataView(producer, page);
  const setByte = (at: number, value: number): void => {
    view.setUint8(at % ringBytes, value);
    view.setUint8((at % ringBytes) + ringBytes, value);
  };
  const setWord = (at: number, value: number): void => {
    for (let i = 0; i < 4; i += 1) setByte(at + i, (value >>> (8 * i)) & 0xff);
  };
  return {
    tap: openTap({ consumer, producer, dataOffset: page }, ringBytes),
    reserve(
      size: number,
    ): undefined | ((packet: Uint8Array | undefined, walked?: Partial<Walked>, kernelMs?: number) => void) {
      const at = Number(written[0]);
      const next = at + ((header + size + 7) & ~7);
      if (next - Number(taken[0]) > ringBytes) return undefined;
      setWord(at, (size | 0x8000_0000) >>> 0);
      written[0] = BigInt(next);
      return (packet, { fanout = 1, family = 4, linked = 0 } = {}, kernelMs = 0) => {
        if (packet === undefined) return setWord(at, size | 0x4000_0000);
        const ns = BigInt(Math.round(kernelMs * 1e6));
        setWord(at + header, Number(ns & 0xffff_ffffn));
        setWord(at + header + 4, Number(ns >> 32n));
        setWord(at + header + 8, (packet.length << 16) | (family === 6 ? 0x8000 : 0) | fanout);
        setWord(at + header + 12, linked);
        for (const [i, byte] of packet.entries()) setByte(at + header + 16 + i, byte);
        setWord(at, size);
      };
    },
  };
}

test("whatever is written comes out once, in order, across the ring's end", () => {
  const packet = fc.record({ bytes: fc.uint8Array({ maxLength: 240 }), isDiscarded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.array(packet, { maxLength: 14 }), { maxLength: 30 }), (batches) => {
      const { tap, reserve } = kernelRing();
      const [expected, got]: [string[], string[]] = [[], []];
      for (const batch of batches) {
        for (const { bytes, isDiscarded } of batch) {
          const fill = reserve(256);
          fill?.(isDiscarded ? undefined : bytes);
          if (fill !== undefined && !isDiscarded) expected.push(Buffer.from(bytes).toString("hex"));
        }
        tap.drain(9, (_fanout, bytes) => got.push(Buffer.from(bytes).toString("hex")));
      }
      tap.drain(1_000, (_fanout, bytes) => got.push(Buffer.from(bytes).toString("hex")));
      assert.deepEqual(got, expected);
    }),
  );
});

test("a packet that is still being written holds up those behind it, and the time is the kernel's to the microsecond", () => {
  const { tap, reserve } = kernelRing();
  const got: [Walked, number][] = [];
  const drain = (): number => tap.drain(100, (walked, _bytes, kernelMs) => got.push([walked, kernelMs]));
  const [first, second] = [reserve(256), reserve(256)];
  second?.(new Uint8Array(3), { fanout: 4_095, family: 6, linked: 0xffff_fffe }, 86_400_000.25);
  assert.equal(drain(), 0);
  first?.(new Uint8Array(3), {}, 12_345_678.901);
  assert.equal(drain(), 2);
  assert.deepEqual(
    got.map(([walked]) => walked),
    [
      { fanout: 1, family: 4, linked: 0 },
      { fanout: 4_095, family: 6, linked: 0xffff_fffe },
    ],
  );
  assert.ok(Math.abs((got[0]?.[1] ?? 0) - 12_345_678.901) < 1e-3);
  assert.equal(got[1]?.[1], 86_400_000.25);
});

test("what a listener throws at costs that packet only; what is skipped is gone", () => {
  const { tap, reserve } = kernelRing();
  for (const byte of [1, 2]) reserve(256)?.(Uint8Array.of(byte));
  assert.throws(() =>
    tap.drain(100, () => {
      throw new Error("listener");
    }),
  );
  const got: number[] = [];
  tap.drain(100, (_fanout, bytes) => got.push(bytes[0] ?? 0));
  assert.deepEqual(got, [2]);
  reserve(256)?.(Uint8Array.of(3));
  tap.skip();
  tap.drain(100, () => assert.fail("nothing is left"));
});
