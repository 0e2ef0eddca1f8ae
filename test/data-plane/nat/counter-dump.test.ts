import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeCounterDump, encodeCounterDump } from "../../../src/data-plane/nat/nftables/counter-dump.ts";
import { needsLab, withLab } from "../../support/lab.ts";
import { planeScene } from "../../support/nat-harness.ts";
import { shell } from "../../support/nat-host.ts";

/** An answer as the kernel lays it out, for the one counter `c` of a table `t` that counted 2 packets of 258 bytes in all. */
const message = Buffer.from(
  [
    "54000000120a02000000000001000000", // length, NFT_MSG_NEWOBJ, multi-part
    "01000001060001007400000006000200", // NFPROTO_INET, table t,
    "63000000080003000000000108000500", // name c, type counter, used
    "000000001c0004800c00010000000000", // 0 times, data: bytes
    "000001020c0002000000000000000002", // 258, packets 2
    "0800060000000000", // (stands for the handle)
  ].join(""),
  "hex",
);
message.writeUInt32LE(message.length);
const done = Buffer.from("1400000003000200000000000100000000000000", "hex");

test("the request asks nftables for the counters of the inet table", () => {
  const header = "28000000130a01030000000000000000"; // 40 bytes, NFT_MSG_GETOBJ, NLM_F_REQUEST | NLM_F_DUMP
  assert.equal(Buffer.from(encodeCounterDump("abcdefg")).toString("hex"), `${header}01000000${table}${type}`);
});
const table = "0c0001006162636465666700";
const type = "0800030000000001";

test("an answer gives the counters, and says whether it was the last", () => {
  const counters = [{ name: "c", packets: 2, bytes: 258 }];
  assert.deepEqual(decodeCounterDump(message), { ok: true, value: { counters, isLast: false } });
  assert.deepEqual(decodeCounterDump(Buffer.concat([message, message, done])), {
    ok: true,
    value: { counters: [...counters, ...counters], isLast: true },
  });
});

test("an answer that is refused, cut off or of a table that changed is none", () => {
  const refused = Buffer.from("1400000002000000000000000000000001ffffff", "hex");
  assert.deepEqual(decodeCounterDump(refused), { ok: false, reason: "refused" });
  assert.deepEqual(decodeCounterDump(message.subarray(0, -4)), { ok: false, reason: "truncated" });
  const interrupted = Buffer.from(message);
  interrupted.writeUInt16LE(0x12, 6);
  assert.deepEqual(decodeCounterDump(interrupted), { ok: false, reason: "interrupted" });
});

test("no bytes make it throw or go on for ever", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeCounterDump(bytes)));
  fc.assert(
    fc.property(fc.nat(message.length - 1), fc.nat(255), (at, value) => {
      const bytes = Buffer.from(message);
      bytes[at] = value;
      decodeCounterDump(bytes);
    }),
  );
});

const source = new URL("../../../src/data-plane/nat/nftables/counter-dump.ts", import.meta.url);
const script = `import { dumpCounters } from "${source}";
console.log(JSON.stringify([await dumpCounters("t"), await dumpCounters("gone")]));`;
const options = { ...(await needsLab("nft")), timeout: 30_000 };

test("the kernel gives the same counters as nft, over several reads, and none of a table that is gone", options, () =>
  withLab(planeScene, async (lab) => {
    const host = lab.host("relay");
    const names = Array.from({ length: 700 }, (_, i) => `counter-with-a-long-name-${i}`);
    const table = names.map((name, i) => `counter ${name} { packets ${i} bytes ${i * 100}; }`).join("\n");
    await shell(host, `nft -f - <<'END'\ntable inet t {\n${table}\n}\nEND`);
    const [counters, gone] = JSON.parse(await shell(host, `${process.execPath} --input-type=module -e '${script}'`));
    assert.deepEqual(
      counters.toSorted((a: { packets: number }, b: { packets: number }) => a.packets - b.packets),
      names.map((name, i) => ({ name, packets: i, bytes: i * 100 })),
    );
    assert.deepEqual(gone, []);
  }),
);
