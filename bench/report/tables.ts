import type { Figures } from "./figures.ts";
import { type LoadCase, otherCases } from "./results.ts";
import { formatSpread, ratioOf, type Spread } from "./statistics.ts";

/** A table in Markdown; the first row is its heading. The formatter aligns it. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const lines = rows.map((row) => `| ${row.join(" | ")} |`);
  lines.splice(1, 0, `|${(rows[0] ?? []).map(() => "---").join("|")}|`);
  return lines.join("\n");
}

/** Cost, ratios, loss, delay and memory of every contender in one case. */
export function caseTable(figures: Figures, load: LoadCase): string {
  const { id } = load;
  const measured = figures.results.contenders.filter((contender) => figures.samples(id, contender.id).length > 0);
  const ours = ["ebpf", "userspace"].filter((plane) => measured.some((contender) => contender.id === plane));
  const heading = [
    ...["", "relay's share, µs", "whole path, µs", "its process, µs", ...ours.map((plane) => `${plane} ÷ this`)],
    ...["lost", "p50, µs", "p99, µs", "p99.9, µs", "jitter, µs", "memory, MiB"],
  ];
  const rows = measured.map(({ id: contender, name }) => {
    const share = figures.share(id, contender);
    const delays = ["p50Us", "p99Us", "p999Us"].map((figure) => show(figures.spread(id, contender, figure), 0));
    return [
      name,
      contender === "routing" ? "–" : show(share, 2),
      show(figures.whole(id, contender), 2),
      show(figures.process(id, contender), 2),
      ...ours.map((plane) => (plane === contender ? "–" : showRatio(figures.share(id, plane), share, contender))),
      formatLoss(figures.loss(id, contender)),
      ...delays,
      show(figures.spread(id, contender, "jitterUs"), 1),
      show(figures.spread(id, contender, "residentMiB"), 0),
    ];
  });
  return markdownTable([heading, ...rows]);
}

/** The highest rates and the times to join. */
export function limitsTable(figures: Figures): string {
  const { contenders } = figures.results;
  const rows = contenders.flatMap(({ id, name }) => {
    const rate = figures.spread(otherCases.highestRate, id, "packetsPerSecond");
    if (rate === undefined) return [];
    const thousands = { median: rate.median / 1e3, least: rate.least / 1e3, most: rate.most / 1e3 };
    const joins = ["p50Ms", "mostMs"].map((figure) => show(figures.spread(otherCases.join, id, figure), 2));
    const ratios = ["ebpf", "userspace"].map((plane) => {
      const own = figures.spread(otherCases.highestRate, plane, "packetsPerSecond");
      return plane === id || own === undefined ? "–" : show(ratioOf(own, rate), 2);
    });
    return [[name, formatSpread(thousands, 0), ...ratios, ...joins]];
  });
  const heading = ["", "1,000 packets a second", "ebpf ÷ this", "userspace ÷ this", "join, ms", "slowest join, ms"];
  return markdownTable([heading, ...rows]);
}

/** A minute at 1,000 viewers. */
export function enduranceTable(figures: Figures): string {
  const heading = ["", "lost", "relay's process, % of a core", "whole path, µs", "p99, µs", "memory, MiB"];
  const rows = figures.results.contenders.flatMap(({ id, name }) => {
    const sample = figures.samples(otherCases.endurance, id)[0]?.figures;
    if (sample === undefined) return [];
    const { processSeconds = 0, seconds = 1, lost = 0, delivered = 0, cpuSeconds = 0, p99Us = 0 } = sample;
    return [
      [
        name,
        `${lost.toLocaleString("en")} of ${(lost + delivered).toLocaleString("en")}`,
        ((processSeconds / seconds) * 100).toFixed(1),
        ((cpuSeconds * 1e6) / delivered).toFixed(2),
        p99Us.toFixed(0),
        (sample.residentMiB ?? 0).toFixed(0),
      ],
    ];
  });
  return rows.length === 0 ? "Not measured." : markdownTable([heading, ...rows]);
}

/** Viewers with the agent's own code. */
export function agentsTable(figures: Figures): string {
  const sample = figures.samples(otherCases.agents, "userspace")[0]?.figures;
  if (sample === undefined) return "Not measured.";
  const { viewers = 0, sent = 0, lost = 0, processSeconds = 0, seconds = 1, residentMiB = 0, emptyMiB = 0 } = sample;
  const due = sent * viewers;
  return markdownTable([
    ["", ""],
    ["viewers", viewers.toFixed(0)],
    ["stream", `4 Mbit/s, ${sent.toLocaleString("en")} packets of 1,200 bytes in ${seconds.toFixed(0)} s`],
    ["lost", `${lost.toLocaleString("en")} of ${due.toLocaleString("en")}`],
    ["relay CPU", `${((processSeconds / seconds) * 100).toFixed(0)} % of a core`],
    ["a delivered packet", `${((processSeconds * 1e6) / (due - lost)).toFixed(2)} µs`],
    ["relay memory", `${residentMiB.toFixed(0)} MiB resident, ${emptyMiB.toFixed(0)} before the stream`],
    [
      "join",
      `${sample.joinP50Ms?.toFixed(1)} ms from the first request to the grant, slowest ${sample.joinMostMs?.toFixed(1)}`,
    ],
  ]);
}

function show(spread: Spread | undefined, digits: number): string {
  return spread === undefined ? "–" : formatSpread(spread, digits);
}

function showRatio(ours: Spread | undefined, theirs: Spread | undefined, contender: string): string {
  // Routing's share is nothing by definition.
  return ours && theirs && contender !== "routing" ? show(ratioOf(ours, theirs), 2) : "–";
}

/** `0`, or how much in percent. */
export function formatLoss(loss: { readonly part: number; readonly packets: number } | undefined): string {
  if (loss === undefined) return "–";
  if (loss.packets === 0) return "0";
  return `${loss.part * 100 >= 0.1 ? (loss.part * 100).toFixed(1) : (loss.part * 100).toPrecision(1)} %`;
}
