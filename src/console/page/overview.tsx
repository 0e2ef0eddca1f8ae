import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ApiStream } from "../../http/api/shapes.ts";
import { formatBitrate, formatCodec, formatCount, formatDuration, formatNumber, formatShare } from "../model/format.ts";
import { recent } from "../model/history.ts";
import { diagnose } from "../model/path.ts";
import { ActivityList } from "./activity-list.tsx";
import { useConsole } from "./console-context.ts";
import { CreateStream } from "./create-stream.tsx";
import { RefusalList } from "./refusal-list.tsx";
import { streamHref } from "./route.ts";
import { Sparkline } from "./sparkline.tsx";

/** All streams, and the relay. */
export function Overview(): VNode {
  const { state } = useConsole();
  const [isCreating, setCreating] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    document.title = "Streams · Punchcast";
    heading.current?.focus();
  }, []);
  const { streams, relay } = state;
  return (
    <>
      <div class="title">
        <h1 ref={heading} tabIndex={-1}>
          Streams
        </h1>
        <button type="button" class="primary" onClick={() => setCreating(true)}>
          Create a stream
        </button>
      </div>
      <Totals />
      {streams.length === 0 && <p class="card empty">There are no streams yet: create the first one.</p>}
      <ul class="streams">
        {streams.map((stream) => (
          <StreamCard key={stream.name} stream={stream} />
        ))}
      </ul>
      <div class="columns">
        <section class="card" aria-labelledby="activity">
          <h2 id="activity">Activity</h2>
          <ActivityList activity={state.activity} />
        </section>
        <section class="card" aria-labelledby="refusals">
          <h2 id="refusals">Punches and refusals</h2>
          {relay !== undefined && <RefusalList relay={relay} />}
        </section>
      </div>
      {isCreating && <CreateStream onClose={() => setCreating(false)} />}
    </>
  );
}

function Totals(): VNode {
  const { state } = useConsole();
  const { streams, histories, relay } = state;
  const now = streams.map(({ name }) => recent(histories.get(name) ?? { samples: [] }));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const live = streams.filter(({ stats }) => stats.publisherLive).length;
  const figures = [
    ["Live", `${live} of ${streams.length}`],
    ["Viewers", formatCount(sum(streams.map(({ watching }) => watching)))],
    ["Up", formatDuration(relay?.uptimeMs ?? 0)],
    ["In", formatBitrate(sum(now.map(({ inBits }) => inBits)))],
    ["Out", formatBitrate(sum(now.map(({ outBits }) => outBits)))],
  ] as const;
  return (
    <dl class="totals">
      {figures.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function StreamCard({ stream }: { readonly stream: ApiStream }): VNode {
  const { histories } = useConsole().state;
  const { name, stats, watching } = stream;
  const samples = histories.get(name)?.samples ?? [];
  const now = recent({ samples });
  const codecs = stats.in.flatMap(({ codec }) => (codec === undefined ? [] : [formatCodec(codec)]));
  const worst = diagnose(stream, now).find(({ health }) => health !== "idle");
  const figures = [
    ["In", formatBitrate(now.inBits)],
    ["Out", formatBitrate(now.outBits)],
    ["Viewers", formatCount(watching)],
    ["Loss in", formatShare(now.lossIn)],
    ["Loss out", formatShare(now.lossOut)],
  ] as const;
  return (
    <li class="card stream">
      <div class="stream-name">
        <h2>
          <a href={streamHref(name)}>{name}</a>
        </h2>
        <span class={`chip ${stats.publisherLive ? "good" : "idle"}`}>{stats.publisherLive ? "Live" : "Idle"}</span>
        <p class="quiet">{[...codecs, formatPorts(stream)].join(" · ")}</p>
      </div>
      <Sparkline values={samples.slice(-120).map(({ inBits }) => inBits)} />
      <dl class="figures">
        {figures.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {worst !== undefined && <p class={`note ${worst.health}`}>{worst.sentence}</p>}
    </li>
  );
}

function formatPorts({ ingestPorts, components }: ApiStream): string {
  const [first, last] = [ingestPorts[0], ingestPorts.at(-1)];
  if (first === undefined) return `by key, ${formatNumber(components, "component", "components")}`;
  return first === last ? `UDP ${first}` : `UDP\u00a0${first}–\u2060${last}`;
}
