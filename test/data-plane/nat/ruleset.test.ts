import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mapping } from "../../../src/data-plane/nat/mapping.ts";
import { createNftablesBackend } from "../../../src/data-plane/nat/nftables/nftables-backend.ts";
import { tableText } from "../../../src/data-plane/nat/nftables/ruleset.ts";

const ports = { punch: 9000, ingest: [9099, 9100] };
const mappings: readonly Mapping[] = [
  {
    publisher: { address: "10.10.10.175", port: 9099 },
    ingest: { address: "10.10.10.197", port: 9099 },
    viewer: { address: "10.10.10.112", port: 57_519 },
    punched: { address: "10.10.10.197", port: 9000 },
  },
  {
    publisher: { address: "fd00:10::175", port: 9099 },
    ingest: { address: "fd00:10::197", port: 9099 },
    viewer: { address: "2001:db8::1:0:0:112", port: 57_519 },
    punched: { address: "fd00:10::197", port: 9000 },
  },
];

test("the counters that adding a mapping makes are read back as that mapping's, headers taken off", async () => {
  const names = Array.from(
    tableText(ports, mappings).matchAll(/^add counter inet punchcast (\S+)$/gm),
    ([, name]) => name,
  );
  assert.equal(names.length, 4);
  const listed = names.map((name, i) => ({ counter: { name, packets: i + 1, bytes: (i + 1) * 1_000 } }));
  const nftables = [{ metainfo: {} }, ...listed, { counter: { name: "somebody-elses", packets: 1, bytes: 1 } }];
  const counts = await createNftablesBackend(
    () => Promise.resolve(JSON.stringify({ nftables })),
    () => Promise.resolve(undefined),
  ).readCounts();
  const expected = [
    ["10.10.10.175:9099 10.10.10.112:57519", 28, 1],
    ["[fd00:10::175]:9099 [2001:db8::1:0:0:112]:57519", 48, 3],
  ] as const;
  assert.deepEqual(
    [...counts],
    expected.map(([key, header, first]) => [
      key,
      {
        carried: { packets: first, bytes: first * (1_000 - header) },
        sent: { packets: first + 1, bytes: (first + 1) * (1_000 - header) },
      },
    ]),
  );
});

test("what is not the relay's meets one rule in each chain that every packet passes, and every rule is marked", () => {
  const chains = Array.from(
    tableText(ports, mappings).matchAll(/^ {2}chain (\S+) \{\n([^}]*(?:\{[^}]*\}[^}]*)*?)\n {2}\}$/gm),
  );
  const rulesOf = (content = ""): string[] => content.split("\n").filter((line) => !/^ +type /.test(line));
  for (const [, name, content] of chains) {
    assert.ok(
      rulesOf(content).every((rule) => rule.endsWith('comment "punch"')),
      name,
    );
    if (content?.includes("type filter hook")) assert.equal(rulesOf(content).length, 1, name);
  }
  assert.deepEqual(
    chains.map(([, name]) => name),
    ["ours", "untracked", "answers", "first", "to-viewer", "from-punched", "translated", "count-sent"],
  );
});
