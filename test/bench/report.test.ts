import assert from "node:assert/strict";
import { test } from "node:test";
import { loadCases } from "../../bench/cases/load-cases.ts";
import { type Claim, claims } from "../../bench/report/claims.ts";
import { benchmarksDocument } from "../../bench/report/document.ts";
import { figuresOf } from "../../bench/report/figures.ts";
import type { Results, Sample } from "../../bench/report/results.ts";
import { formatSpread, ratioOf, spreadOf } from "../../bench/report/statistics.ts";

/** One sample: CPU in µs per packet of the stream, of which `sent` went out. */
function sample(caseId: string, contender: string, usPerPacket: number, lost: number = 0): Sample {
  const viewers = Number(caseId.split("x")[0]);
  const sent = 1_000;
  const figures = { sent, delivered: sent * viewers - lost, lost, cpuSeconds: (sent * usPerPacket) / 1e6, p99Us: 100 };
  return { case: caseId, contender, round: 1, figures };
}

function resultsOf(samples: readonly Sample[]): Results {
  const machine = { date: "2026-11-22", processor: "p", kernel: "k", node: "n", memoryGiB: 1, cpus: "2" };
  return {
    machine: { ...machine, settings: {}, versions: { nginx: "1.2" } },
    run: { rounds: 1, minutes: 1, quick: false },
    contenders: ["routing", "ebpf", "userspace", "nginx", "gstreamer", "c-mmsg"].map((id) => {
      return { id, name: id, settings: "none" };
    }),
    cases: loadCases(false),
    samples,
    failures: [],
  };
}

function claimOf(samples: readonly Sample[], beginning: string): Claim | undefined {
  return claims(figuresOf(resultsOf(samples))).find(({ text }) => text.startsWith(beginning));
}

const userspaceAndNginx = "1→1, 20,000 packets a second, bursts of 10: userspace ÷ best ready-made peer";

test("the relay's share is what the whole path takes over plain routing", () => {
  const figures = figuresOf(resultsOf([sample("1x4M-b13", "routing", 10), sample("100x4M-b13", "ebpf", 210)]));
  assert.equal(figures.whole("100x4M-b13", "ebpf")?.median.toFixed(3), "2.100");
  assert.equal(figures.share("100x4M-b13", "ebpf")?.median.toFixed(3), "2.000");
});

test("a claim compares shares with the best peer that did its work", () => {
  const floor = sample("1x20k-b10", "routing", 5);
  const ours = sample("1x20k-b10", "userspace", 11);
  const kept = claimOf([floor, ours, sample("1x20k-b10", "nginx", 15)], userspaceAndNginx);
  assert.deepEqual([kept?.measured, kept?.verdict], ["0.60", "yes"]);
  const lossy = sample("1x20k-b10", "gstreamer", 6, 500);
  assert.equal(claimOf([floor, ours, sample("1x20k-b10", "nginx", 15), lossy], userspaceAndNginx)?.verdict, "yes");
  const better = sample("1x20k-b10", "gstreamer", 11);
  assert.equal(claimOf([floor, ours, sample("1x20k-b10", "nginx", 15), better], userspaceAndNginx)?.verdict, "no");
});

test("a claim missed by the median and met by the spread says so, and one without figures is not measured", () => {
  const floor = sample("1x20k-b10", "routing", 5);
  const path = "1→1, 20,000 packets a second, bursts of 10: ebpf ÷ plain routing";
  const spread = [sample("1x20k-b10", "ebpf", 4.9), sample("1x20k-b10", "ebpf", 5.5), sample("1x20k-b10", "ebpf", 5.6)];
  assert.equal(claimOf([floor, ...spread], path)?.verdict, "no, but within the spread");
  assert.equal(claimOf([floor], path)?.verdict, "not measured");
});

test("one lost packet is a claim missed", () => {
  assert.equal(claimOf([sample("500x4M-b13", "ebpf", 1, 1)], "1→500, frames, ebpf: packets lost")?.verdict, "no");
  assert.equal(claimOf([sample("500x4M-b13", "ebpf", 1, 0)], "1→500, frames, ebpf: packets lost")?.verdict, "yes");
});

test("the document has a section for each measured case, with its contenders' versions and all claims", () => {
  const results = resultsOf([sample("1x20k-b10", "routing", 5), sample("1x20k-b10", "nginx", 15)]);
  const text = benchmarksDocument(figuresOf({ ...results, failures: ["socat, 1 viewers failed: no"] }));
  assert.match(text, /### 1→1, 20,000 packets a second, bursts of 10/);
  assert.match(text, /\| nginx \| 10\.00 \| 15\.00 \|/);
  assert.match(text, /\*\*nginx\*\* 1\.2/);
  assert.match(text, /socat, 1 viewers failed/);
  assert.doesNotMatch(text, /undefined|NaN/);
});

test("spreads show least and most, and ratios what these allow", () => {
  assert.equal(formatSpread(spreadOf([3, 1, 2]), 1), "2.0 (1.0 to 3.0)");
  assert.deepEqual(ratioOf(spreadOf([2, 4, 6]), spreadOf([2, 2, 4])), { median: 2, least: 0.5, most: 3 });
  assert.equal(ratioOf(spreadOf([2]), spreadOf([-1])), undefined);
});
