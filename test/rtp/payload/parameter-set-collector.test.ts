import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createParameterSetCollector } from "../../../src/rtp/payload/parameter-set-collector.ts";
import { rtpPackets } from "../../support/fixtures.ts";

type Sent = readonly [timestamp: number, ...payload: number[]];

function collect(codec: "H264" | "H265", packets: readonly Sent[]): number[][][] {
  const collector = createParameterSetCollector(codec);
  packets.forEach(([timestamp, ...payload], i) => {
    collector.onPacket({ sequenceNumber: (65_534 + i) & 0xffff, timestamp, payload: Uint8Array.from(payload) });
  });
  const { vps, sps, pps } = collector.sets();
  return [vps, sps, pps].map((sets) => sets.map((set) => [...set]));
}

const sps = [0x67, 0x64, 0, 0x1e];
const pps = [0x68, 0xef];
const stapA = [0x78, 0, 4, ...sps, 0, 2, ...pps];

test("sets are found in single NAL units, aggregation packets and fragments", () => {
  assert.deepEqual(
    collect("H264", [
      [1, ...sps],
      [1, ...pps],
    ]),
    [[], [sps], [pps]],
  );
  assert.deepEqual(collect("H264", [[1, ...stapA]]), [[], [sps], [pps]]);
  const cut: Sent[] = [
    [1, 0x7c, 0x87, 0x64],
    [1, 0x7c, 0x07, 0x00],
    [1, 0x7c, 0x47, 0x1e],
  ];
  assert.deepEqual(collect("H264", [...cut, [1, ...pps]]), [[], [sps], [pps]]);
  assert.deepEqual(collect("H264", [...cut.slice(0, 1), [1, 0x41, 0x9a], ...cut.slice(2), [1, ...pps]]), [[], [], []]);
});

test("repeated sets are kept once, new ones replace the old as soon as they are complete", () => {
  const newSps = [0x67, 0x42, 0, 0x1e];
  const newPps = [0x68, 0xee];
  assert.deepEqual(
    collect("H264", [
      [1, ...stapA],
      [9, ...stapA],
      [9, ...sps],
    ]),
    [[], [sps], [pps]],
  );
  assert.deepEqual(
    collect("H264", [
      [1, ...stapA],
      [9, ...newSps],
    ]),
    [[], [sps], [pps]],
  );
  assert.deepEqual(
    collect("H264", [
      [1, ...stapA],
      [9, ...newSps],
      [9, ...newPps],
    ]),
    [[], [newSps], [newPps]],
  );
  assert.deepEqual(
    collect("H264", [
      [1, ...stapA],
      [9, ...newPps],
    ]),
    [[], [sps], [pps, newPps]],
  );
});

test("H.265 has three kinds", () => {
  const [v, s, p] = [32, 33, 34].map((type) => [type << 1, 1, type]) as [number[], number[], number[]];
  assert.deepEqual(collect("H265", [[1, 0x60, 1, 0, 3, ...v, 0, 3, ...s, 0, 3, ...p]]), [[v], [s], [p]]);
});

test("real streams give the sets that ffmpeg puts into its SDP", () => {
  const sets = (name: string, codec: "H264" | "H265"): string[] => {
    const collector = createParameterSetCollector(codec);
    for (const packet of rtpPackets(name)) collector.onPacket(packet);
    const { vps, sps, pps } = collector.sets();
    return [vps, sps, pps].flatMap((kind) => kind.map((set) => Buffer.from(set).toString("base64")));
  };
  assert.deepEqual(sets("ffmpeg-h264", "H264"), ["Z2QACazZQoR+XARAAAADAEAAAAeDxIllgA==", "aO+8sA=="]);
  assert.deepEqual(sets("ffmpeg-h264-sets-in-sdp", "H264"), []);
  assert.equal(sets("ffmpeg-h265", "H265").length, 3);
});

test("no bytes make it throw or grow", () => {
  const bytes = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 40 });
  fc.assert(
    fc.property(bytes, fc.constantFrom("H264" as const, "H265" as const), (payloads, codec) => {
      const sets = collect(
        codec,
        payloads.map((payload, i): Sent => [i, ...payload]),
      );
      assert.ok(sets.every((kind) => kind.length <= 8));
    }),
  );
  const flood = Array.from({ length: 300 }, (_, i): Sent => [1, 0x67, i & 255, i >> 8, 0]);
  assert.equal(collect("H264", [...flood, [1, ...pps]])[1]?.length, 8);
});
