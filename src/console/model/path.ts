import type { ApiStream } from "../../http/api/shapes.ts";
import { formatBitrate, formatNumber, formatShare } from "./format.ts";
import type { Recent } from "./history.ts";

/** Where on its way a stream fares as it does. */
export type Place = "publisher" | "publisher-leg" | "relay" | "viewer-leg" | "viewers";

/** `idle`: nothing is there, which may be as it should. */
export type Health = "good" | "warn" | "bad" | "idle";

/** What is wrong at one place, and what helps. */
export interface Finding {
  readonly place: Place;
  readonly health: Exclude<Health, "good">;
  /** What is so, in one sentence. */
  readonly sentence: string;
  /** What to do, in one sentence. */
  readonly remedy: string;
}

/** From here on a loss is told: a packet in a thousand is a damaged picture every few seconds where nothing repairs it. */
const lossTold = 0.001;

/** From here on a loss is bad: repair, which is held to 25 % of a stream's bytes, still copes, but plain players do not. */
const lossBad = 0.02;

/** What is wrong with a stream, in the order of the path; empty: nothing. */
export function diagnose(stream: ApiStream, now: Recent): Finding[] {
  const { publisherLive, repair } = stream.stats;
  const { watching } = stream;
  const findings: Finding[] = [];
  const tell = (place: Place, health: Finding["health"], sentence: string, remedy: string): void => {
    findings.push({ place, health, sentence, remedy });
  };
  if (!publisherLive) tell("publisher", "idle", "Nobody sends to this stream.", howToSend(stream));
  else if (now.isMeasured && now.inBits === 0) {
    tell(
      "publisher",
      "warn",
      "The publisher has fallen silent.",
      "Look at the sender: it is known, but nothing comes.",
    );
  }
  if (publisherLive && now.lossIn !== undefined && now.lossIn >= lossTold) {
    const sentence = `${formatShare(now.lossIn)} of the packets get lost between the publisher and the relay.`;
    const remedy =
      "Lower the sender's bitrate below what its uplink carries, or send with 'punchcast send', which repairs losses.";
    tell("publisher-leg", now.lossIn >= lossBad ? "bad" : "warn", sentence, remedy);
  }
  if (now.drops > 0) {
    const sentence = `The relay could not send ${formatNumber(now.drops, "packet", "packets")} in the last ten seconds.`;
    const remedy =
      "Its uplink or send buffers are full: fewer viewers, a lower bitrate, or larger buffers (punchcast doctor says how).";
    tell("relay", "bad", sentence, remedy);
  }
  if (watching > 0 && now.lossOut !== undefined && now.lossOut >= lossTold) {
    const resent = repair.resent > 0 ? ", before repair" : "";
    const sentence = `The viewer who fares worst loses ${formatShare(now.lossOut)} of the packets${resent}.`;
    const remedy = "Sort the viewers by loss: one of them has a weak network; if it is all of them, lower the bitrate.";
    tell("viewer-leg", now.lossOut >= lossBad ? "bad" : "warn", sentence, remedy);
  }
  if (now.oversized > 0) {
    const remedy = "Have the sender make packets of 1,200 bytes at most (ffmpeg: ?pkt_size=1200).";
    tell("viewer-leg", "warn", "Some packets are larger than a viewer's path takes in one piece.", remedy);
  }
  if (watching === 0) tell("viewers", "idle", "Nobody watches.", "Take a player's line below, or open the watch page.");
  return findings;
}

function howToSend({ ingestPorts, from }: ApiStream): string {
  const [port] = ingestPorts;
  if (port === undefined) return "Start a sender that has the publish key: 'punchcast send', OBS or a browser.";
  const who = from.length === 0 ? "" : ` from ${from.join(" or ")}`;
  return `Start a sender with one of the lines below; its packets must reach UDP port ${port}${who}.`;
}

/** How a place fares: the worst that was found there. */
export function healthAt(place: Place, stream: ApiStream, findings: readonly Finding[]): Health {
  const own = findings.filter((finding) => finding.place === place).map(({ health }) => health);
  const worst = (["bad", "warn", "idle"] as const).find((health) => own.includes(health));
  if (worst !== undefined) return worst;
  if (place === "publisher-leg" && !stream.stats.publisherLive) return "idle";
  if (place === "viewer-leg" && (stream.watching === 0 || !stream.stats.publisherLive)) return "idle";
  return "good";
}

/** The path in words, for who does not see the picture. */
export function describePath(stream: ApiStream, now: Recent, findings: readonly Finding[]): string {
  const { stats, watching } = stream;
  const sent = stats.publisherLive ? `The publisher sends ${formatBitrate(now.inBits)}` : "No publisher";
  const way = `${sent}, through its NAT, to the relay; the relay sends ${formatBitrate(now.outBits)}, through their NATs, to ${formatNumber(watching, "viewer", "viewers")}.`;
  const wrong = findings.filter(({ health }) => health !== "idle").map(({ sentence }) => sentence);
  return [way, ...(wrong.length === 0 ? ["No losses are known."] : wrong)].join(" ");
}
