import assert from "node:assert/strict";
import { test } from "node:test";
import { createIptablesBackend } from "../../../src/data-plane/nat/iptables/iptables-backend.ts";
import { readPunchRules, readSavedMappings } from "../../../src/data-plane/nat/iptables/rules.ts";
import type { Mapping } from "../../../src/data-plane/nat/mapping.ts";

const mapping: Mapping = {
  publisher: { address: "10.10.10.175", port: 9099 },
  ingest: { address: "10.10.10.197", port: 9099 },
  viewer: { address: "10.10.10.112", port: 57_519 },
  punched: { address: "10.10.10.197", port: 9000 },
};
const mapping6: Mapping = {
  publisher: { address: "fd00:10::175", port: 9099 },
  ingest: { address: "fd00:10::197", port: 9099 },
  viewer: { address: "fd00:10::112", port: 57_519 },
  punched: { address: "fd00:10::197", port: 9000 },
};
const saved = `*nat
:PREROUTING ACCEPT [0:0]
[1:739] -A PREROUTING -s 10.10.10.175/32 -d 10.10.10.197/32 -p udp -m udp --sport 9099 --dport 9099 -m comment --comment punch -j DNAT --to-destination 10.10.10.112:57519
[2:80] -A PREROUTING -p udp -m udp --dport 7 -m comment --comment punchline -j ACCEPT
[2:80] -A PREROUTING -p udp -m udp --dport 7 -m comment --comment "punch card" -j ACCEPT
[2:80] -A PREROUTING -p udp -m udp --dport 7 -m comment --comment "hole punch" -j ACCEPT
[1:739] -A POSTROUTING -s 10.10.10.175/32 -d 10.10.10.112/32 -p udp -m udp --sport 9099 --dport 57519 -m comment --comment "punch" -j SNAT --to-source 10.10.10.197:9000
COMMIT
*mangle
[67:52656] -A FORWARD -s 10.10.10.175/32 -d 10.10.10.112/32 -p udp -m udp --sport 9099 --dport 57519 -m comment --comment punch
[66:52000] -A POSTROUTING -s 10.10.10.175/32 -d 10.10.10.112/32 -p udp -m udp --sport 9099 --dport 57519 -m comment --comment punch
COMMIT
`;

test("only rules whose comment is exactly punch are Punchcast's", () => {
  assert.equal(readPunchRules(saved).length, 4);
});

test("a mapping is read back from the two rules that make it, and not from one", () => {
  assert.deepEqual(readSavedMappings(readPunchRules(saved)), [mapping]);
  assert.deepEqual(readSavedMappings(readPunchRules(saved.replace(/^.*SNAT.*$/m, ""))), []);
  const six = saved
    .replaceAll(/10\.10\.10\.(\d+)\/32/g, "fd00:10::$1/128")
    .replaceAll(/ 10\.10\.10\.(\d+):/g, " [fd00:10::$1]:");
  assert.deepEqual(readSavedMappings(readPunchRules(six)), [mapping6]);
});

test("counts are of payload: 28 bytes less for each packet", async () => {
  const backend = createIptablesBackend(() => Promise.resolve(saved), "iptables", [4]);
  assert.deepEqual(
    [...(await backend.readCounts())],
    [
      [
        "10.10.10.175:9099 10.10.10.112:57519",
        { carried: { packets: 67, bytes: 52_656 - 67 * 28 }, sent: { packets: 66, bytes: 52_000 - 66 * 28 } },
      ],
    ],
  );
});

test("removing deletes exactly the rules that were found", async () => {
  const inputs: string[] = [];
  const run = (_tool: string, _args: readonly string[], input = ""): Promise<string> => {
    inputs.push(input);
    return Promise.resolve(saved);
  };
  assert.equal(await createIptablesBackend(run, "iptables", [4]).remove(), true);
  const deleted = inputs.join("").match(/^-D .*$/gm) ?? [];
  assert.equal(deleted.length, 4);
  assert.ok(deleted.every((line) => saved.includes(line.replace("-D", "-A"))));
});

test("what every mapping needs is in the rules that are printed, per table and chain", () => {
  const run = (): Promise<string> => Promise.reject(new Error("printing must not run anything"));
  const text = createIptablesBackend(run, "iptables", [4]).describe({ punch: 9000, ingest: [9099, 9100] }, [mapping]);
  assert.match(text, /-t nat -I PREROUTING -s 10\.10\.10\.175 .*--dport 9099 .*--to-destination 10\.10\.10\.112:57519/);
  assert.match(text, /-t nat -I POSTROUTING .*-d 10\.10\.10\.112 .*--to-source 10\.10\.10\.197:9000/);
  assert.match(text, /-t raw -A PUNCHCAST .*--dport 9099:9100 .*--notrack/);
  assert.ok(text.split("\n").every((line) => line.endsWith("-N PUNCHCAST") || line.includes("--comment punch")));
});
