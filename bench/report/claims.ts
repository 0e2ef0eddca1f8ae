import type { Figures } from "./figures.ts";
import { otherCases } from "./results.ts";
import { formatSpread, ratioOf, type Spread } from "./statistics.ts";

/** Something that Punchcast claims of itself, held against the figures. */
export interface Claim {
  readonly text: string;
  readonly target: string;
  readonly measured: string;
  readonly verdict: "yes" | "no" | "no, but within the spread" | "not measured";
}

/** Ready-made relays that people run in user space. */
const readyMade = ["nginx", "coturn", "gstreamer", "ffmpeg", "socat"];
/** What sends one stream to many from user space, one packet at a time. */
const fanOutPeers = ["gstreamer", "c-mmsg"];
/** A peer that loses more than this has not done the work that it would be compared by. */
const toleratedPeerLoss = 0.01;

/** All of them, in the order of docs/benchmarks.md. */
export function claims(figures: Figures): Claim[] {
  const forwarding = figures.results.cases.filter(({ viewers }) => viewers === 1);
  const crowd = { frames: "500x4M-b13", single: "500x4M-b1" };
  return [
    ...forwarding.flatMap((load) => [
      wholeClaim(figures, load, "ebpf", 1),
      wholeClaim(figures, load, "nat", 1.15),
      delayClaim(figures, load),
      shareClaim(figures, load.id, "userspace", 0.75, readyMade, `${load.title}: userspace ÷ best ready-made peer`),
      shareClaim(figures, load.id, "userspace", 0.4, ["node-dgram"], `${load.title}: userspace ÷ node:dgram`),
    ]),
    fanOutClaim(figures, crowd.frames, "userspace", 0.38, "frames, userspace"),
    fanOutClaim(figures, crowd.frames, "userspace-cut", 0.38, "frames, userspace on a device that cuts"),
    fanOutClaim(figures, crowd.frames, "ebpf", 0.48, "frames, ebpf"),
    fanOutClaim(figures, crowd.single, "userspace", 1, "single packets, userspace"),
    fanOutClaim(figures, crowd.single, "ebpf", 0.5, "single packets, ebpf"),
    ...["userspace", "ebpf"].map((plane) => lossClaim(figures, crowd.frames, plane, `1→500, frames, ${plane}`)),
    ...["ebpf", "userspace"].map((plane) => lossClaim(figures, otherCases.endurance, plane, enduring(figures, plane))),
    processClaim(figures),
    ...["ebpf", "userspace", "userspace-cut"].flatMap((plane) => [
      growthClaim(figures, plane, "b1", "single packets"),
      growthClaim(figures, plane, "b13", "frames"),
    ]),
  ];
}

interface Named {
  readonly id: string;
  readonly title: string;
}

function wholeClaim(figures: Figures, { id, title }: Named, plane: string, target: number): Claim {
  const text = `${title}: ${plane} ÷ plain routing, whole path`;
  return ratioClaim(text, target, figures.whole(id, plane), figures.whole(id, "routing"));
}

function shareClaim(
  figures: Figures,
  caseId: string,
  plane: string,
  target: number,
  peers: readonly string[],
  text: string,
): Claim {
  const best = bestOf(figures, caseId, peers);
  const name = peers.length > 1 && best !== undefined ? `${text} (${nameOf(figures, best)})` : text;
  const other = best === undefined ? undefined : figures.share(caseId, best);
  return ratioClaim(`${name}, relay's share`, target, figures.share(caseId, plane), other);
}

function fanOutClaim(figures: Figures, caseId: string, plane: string, target: number, what: string): Claim {
  return shareClaim(figures, caseId, plane, target, fanOutPeers, `1→500, ${what} ÷ best user-space peer`);
}

/** The one with the least share of CPU that delivered what it should. */
function bestOf(figures: Figures, caseId: string, peers: readonly string[]): string | undefined {
  return peers
    .filter((peer) => (figures.loss(caseId, peer)?.part ?? 1) <= toleratedPeerLoss)
    .toSorted((a, b) => (figures.share(caseId, a)?.median ?? 0) - (figures.share(caseId, b)?.median ?? 0))[0];
}

function ratioClaim(text: string, target: number, one: Spread | undefined, other: Spread | undefined): Claim {
  const ratio = one && other && ratioOf(one, other);
  return boundClaim(text, `≤ ${target.toFixed(2)} ×`, target, ratio, ratio && formatSpread(ratio, 2));
}

function delayClaim(figures: Figures, { id, title }: Named): Claim {
  const [ours, routed] = ["ebpf", "routing"].map((contender) => figures.spread(id, contender, "p99Us"));
  const text = `${title}: p99 delay of ebpf, in µs`;
  const target = routed === undefined ? "routing's spread" : `≤ ${routed.most.toFixed(0)}, routing's highest`;
  return boundClaim(text, target, routed?.most ?? Number.NaN, ours, ours && formatSpread(ours, 0));
}

function lossClaim(figures: Figures, caseId: string, plane: string, text: string): Claim {
  const lost = figures.loss(caseId, plane)?.packets;
  const bound = lost === undefined ? undefined : { median: lost, least: lost, most: lost };
  return boundClaim(`${text}: packets lost`, "0", 0, bound, lost?.toLocaleString("en"));
}

function enduring(figures: Figures, plane: string): string {
  const seconds = figures.spread(otherCases.endurance, plane, "seconds")?.median ?? 60;
  return `1→1,000 at 4 Mbit/s for ${seconds.toFixed(0)} s, ${plane}`;
}

function processClaim(figures: Figures): Claim {
  const [spent, seconds] = ["processSeconds", "seconds"].map((name) =>
    figures.spread(otherCases.endurance, "ebpf", name),
  );
  const part = spent && seconds ? (spent.median / seconds.median) * 100 : undefined;
  const spread = part === undefined ? undefined : { median: part, least: part, most: part };
  const text = `${enduring(figures, "ebpf")}: CPU of the relay's process`;
  return boundClaim(text, "< 5 % of a core", 5, spread, part === undefined ? undefined : `${part.toFixed(1)} %`);
}

/** At 4 Mbit/s a hundred viewers take less than the machine does by itself, so theirs are 20. */
function growthClaim(figures: Figures, plane: string, burst: string, what: string): Claim {
  const [few, many] = ["100x20M", "1000x4M"].map((load) => figures.share(`${load}-${burst}`, plane));
  const text = `${nameOf(figures, plane)}, ${what}: a delivered packet at 1,000 viewers of 4 Mbit/s ÷ at 100 of 20 Mbit/s`;
  return ratioClaim(text, 1, many, few);
}

function boundClaim(
  text: string,
  target: string,
  most: number,
  value: Spread | undefined,
  measured: string | undefined,
): Claim {
  if (value === undefined || measured === undefined || Number.isNaN(most)) {
    return { text, target, measured: "–", verdict: "not measured" };
  }
  const missed = value.least <= most ? "no, but within the spread" : "no";
  return { text, target, measured, verdict: value.median <= most ? "yes" : missed };
}

function nameOf(figures: Figures, contender: string): string {
  return figures.results.contenders.find(({ id }) => id === contender)?.name ?? contender;
}
