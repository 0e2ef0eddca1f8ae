import type { LoadCase, Results, Sample } from "./results.ts";
import { floorId } from "./results.ts";
import { type Spread, spreadOf } from "./statistics.ts";

/** Questions to a bench's figures. All answers are over the rounds; `undefined` where nothing was measured. */
export interface Figures {
  readonly results: Results;
  samples(caseId: string, contender: string): readonly Sample[];
  /** One of the figures by name. */
  spread(caseId: string, contender: string, figure: string): Spread | undefined;
  /** CPU of the whole machine less its noise, in µs per delivered packet. */
  whole(caseId: string, contender: string): Spread | undefined;
  /** The same less what plain routing of the same stream to one viewer takes: the relay's share. */
  share(caseId: string, contender: string): Spread | undefined;
  /** CPU of the relay's process, in µs per delivered packet. */
  process(caseId: string, contender: string): Spread | undefined;
  /** Which part of what was due was lost, over all rounds; and how many packets. */
  loss(caseId: string, contender: string): { readonly part: number; readonly packets: number } | undefined;
}

/** Opens them. */
export function figuresOf(results: Results): Figures {
  const samples: Figures["samples"] = (caseId, contender) =>
    results.samples.filter((sample) => sample.case === caseId && sample.contender === contender);
  const over = (caseId: string, contender: string, value: (sample: Sample) => number): Spread | undefined => {
    const values = samples(caseId, contender).map(value).filter(Number.isFinite);
    return values.length === 0 ? undefined : spreadOf(values);
  };
  const perDelivered = (sample: Sample, seconds: number): number => (seconds * 1e6) / figure(sample, "delivered");
  /** CPU seconds that plain routing takes for one packet of the stream. */
  const floor = (load: LoadCase | undefined): number => {
    if (load === undefined) return Number.NaN;
    const routed = over(floorId(load.id), "routing", (sample) => figure(sample, "cpuSeconds") / figure(sample, "sent"));
    return routed?.median ?? Number.NaN;
  };
  return {
    results,
    samples,
    spread: (caseId, contender, name) => over(caseId, contender, (sample) => figure(sample, name)),
    whole: (caseId, contender) =>
      over(caseId, contender, (sample) => perDelivered(sample, figure(sample, "cpuSeconds"))),
    share(caseId, contender) {
      const routed = floor(results.cases.find(({ id }) => id === caseId));
      return over(caseId, contender, (sample) =>
        perDelivered(sample, figure(sample, "cpuSeconds") - routed * figure(sample, "sent")),
      );
    },
    process: (caseId, contender) =>
      over(caseId, contender, (sample) => perDelivered(sample, figure(sample, "processSeconds"))),
    loss(caseId, contender) {
      const all = samples(caseId, contender);
      if (all.length === 0) return undefined;
      const sum = (name: string): number => all.reduce((total, sample) => total + figure(sample, name), 0);
      return { part: sum("lost") / (sum("lost") + sum("delivered")), packets: sum("lost") };
    },
  };
}

function figure({ figures }: Sample, name: string): number {
  return figures[name] ?? Number.NaN;
}
