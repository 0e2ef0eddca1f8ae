import type { VNode } from "preact";
import { formatBitrate, formatShare } from "../model/format.ts";
import type { Sample } from "../model/history.ts";
import { Chart } from "./chart.tsx";

/**
 * Bitrate and loss of the last minutes. What goes out has an axis of its own: it is a thousand times what comes in where a
 * thousand watch.
 */
export function Charts({ samples }: { readonly samples: readonly Sample[] }): VNode {
  // Figures come at whole seconds: a line a little too short is better than one that jumps.
  const now = samples.at(-1)?.atMs ?? 0;
  const seconds = samples.map(({ atMs }) => (atMs - now) / 1000);
  return (
    <div class="columns charts">
      <Chart
        title="Bitrate in"
        seconds={seconds}
        top={100_000}
        format={formatBitrate}
        lines={[{ label: "From the publisher", ink: "--in", values: samples.map(({ inBits }) => inBits) }]}
      />
      <Chart
        title="Bitrate out"
        seconds={seconds}
        top={100_000}
        format={formatBitrate}
        lines={[{ label: "To all viewers", ink: "--out", values: samples.map(({ outBits }) => outBits) }]}
      />
      <Chart
        title="Loss"
        seconds={seconds}
        top={0.01}
        format={formatShare}
        lines={[
          { label: "Publisher to relay", ink: "--in", values: samples.map(({ lossIn }) => lossIn ?? null) },
          { label: "Relay to worst viewer", ink: "--out", values: samples.map(({ lossOut }) => lossOut ?? null) },
        ]}
      />
    </div>
  );
}
