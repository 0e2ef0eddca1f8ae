import assert from "node:assert/strict";

/** What differs between the two NAL unit payloads, as a receiver sees it. */
interface NalReceiver {
  readonly headerLength: 1 | 2;
  readonly aggregation: number;
  readonly fragmentation: number;
  type(payload: Uint8Array): number;
  /** The header of a cut NAL unit, from its fragment's payload header and FU header. */
  header(payload: Uint8Array): number[];
}

/** RFC 6184 §5.7.1, §5.8. */
export const h264Receiver: NalReceiver = {
  headerLength: 1,
  aggregation: 24,
  fragmentation: 28,
  type: ([first = 0]) => first & 0x1f,
  header: ([first = 0, fu = 0]) => [(first & 0xe0) | (fu & 0x1f)],
};

/** RFC 7798 §4.4.2, §4.4.3. */
export const h265Receiver: NalReceiver = {
  headerLength: 2,
  aggregation: 48,
  fragmentation: 49,
  type: ([first = 0]) => (first >> 1) & 0x3f,
  header: ([first = 0, second = 0, fu = 0]) => [(first & 0x81) | ((fu & 0x3f) << 1), second],
};

/** Puts NAL units together again, and complains about anything that a strict receiver would. */
export function depacketizeNalUnits(payloads: readonly Uint8Array[], receiver: NalReceiver): Uint8Array[] {
  const nalUnits: Uint8Array[] = [];
  let open: number[] | undefined;
  for (const payload of payloads) {
    const type = receiver.type(payload);
    const body = payload.subarray(receiver.headerLength);
    if (type !== receiver.fragmentation) assert.equal(open, undefined, "a fragment is missing its end");
    if (type === receiver.aggregation) {
      let at = 0;
      let count = 0;
      for (; at < body.length; count++) {
        const length = ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0);
        assert.ok(length > 0 && at + 2 + length <= body.length, "an aggregated length is wrong");
        nalUnits.push(body.slice(at + 2, at + 2 + length));
        at += 2 + length;
      }
      assert.ok(count > 1, "one NAL unit needs no aggregation");
    } else if (type === receiver.fragmentation) {
      const fu = body[0] ?? 0;
      assert.notEqual(fu & 0xc0, 0xc0, "start and end in one fragment");
      if (fu & 0x80) open = receiver.header(payload);
      assert.ok(open !== undefined && body.length > 1, "a fragment is missing its start, or empty");
      open.push(...body.subarray(1));
      if (fu & 0x40) {
        nalUnits.push(Uint8Array.from(open));
        open = undefined;
      }
    } else nalUnits.push(payload.slice());
  }
  assert.equal(open, undefined, "the last fragment is missing its end");
  return nalUnits;
}

/** An MP4 sample of these NAL units, with `lengthSize` bytes of length before each. */
export function joinNalUnits(nalUnits: readonly Uint8Array[], lengthSize: number): Uint8Array {
  return Uint8Array.from(
    nalUnits.flatMap((nalUnit) => {
      const length = Array.from(
        { length: lengthSize },
        (_, i) => (nalUnit.length >>> (8 * (lengthSize - 1 - i))) & 255,
      );
      return [...length, ...nalUnit];
    }),
  );
}
