import type { VNode } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { useMediaQuery } from "./media-query.ts";

/** One line of a chart. */
export interface ChartLine {
  readonly label: string;
  /** The custom property that has its colour. */
  readonly ink: "--in" | "--out";
  /** `null`: not known. */
  readonly values: readonly (number | null)[];
}

interface ChartProps {
  readonly title: string;
  /** Of each value, from the newest back: 0 or less. */
  readonly seconds: readonly number[];
  readonly lines: readonly ChartLine[];
  /** The value axis reaches at least so far, so that noise around nothing looks like nothing. */
  readonly top: number;
  readonly format: (value: number) => string;
}

const height = 180;

/** The time axis is a minute long at first, in seconds: shorter would be noise, and longer nothing for minutes. */
const windowMin = 60;
const font = "12px system-ui, sans-serif";

/** Values over the last minutes; beside it what is now, or was where the pointer is. */
export function Chart({ title, seconds, lines, top, format }: ChartProps): VNode {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const isDark = useMediaQuery("(prefers-color-scheme: dark)");
  const id = useId();
  const data: uPlot.AlignedData = [[...seconds], ...lines.map(({ values }) => [...values])];

  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const made = new uPlot(options(element, { lines, top, format }, setPointed), data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [isDark]);
  useEffect(() => plot.current?.setData(data), [seconds]);

  const at = pointed ?? seconds.length - 1;
  const when = pointed === null ? "now" : `${formatAgo(seconds[at] ?? 0)} ago`;
  const figures = lines.map(({ label, values }) => ({ label, value: formatKnown(values[at], format) }));
  const words = figures.map(({ label, value }) => `${label}: ${value}`).join("; ");
  return (
    <section class="card chart" aria-labelledby={id}>
      <div class="chart-title">
        <h2 id={id}>{title}</h2>
        <span class="quiet">{when}</span>
      </div>
      <dl class="legend">
        {figures.map(({ label, value }, i) => (
          <div key={label}>
            <dt>
              <span class={`swatch ${lines[i]?.ink === "--out" ? "swatch-out" : ""}`} aria-hidden="true" />
              {label}
            </dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div ref={place} class="plot" role="img" aria-label={`${title} over the last five minutes. ${words}.`} />
    </section>
  );
}

function formatKnown(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? "–" : format(value);
}

function formatAgo(seconds: number): string {
  const whole = Math.round(-seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

function options(
  element: HTMLElement,
  { lines, top, format }: Pick<ChartProps, "lines" | "top" | "format">,
  onPoint: (index: number | null) => void,
): uPlot.Options {
  const colour = inkOf(element);
  const [quiet, grid] = [colour("--quiet"), colour("--line")];
  const axis = { stroke: quiet, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  return {
    ...{ width: element.clientWidth, height, legend: { show: false } },
    padding: [8, 18, 0, 0],
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: (_plot, low) => [Math.min(-windowMin, low ?? 0), 0] },
      y: { range: (_plot, _low, high) => [0, Math.max(top, (high ?? 0) * 1.15)] },
    },
    axes: [
      {
        ...axis,
        size: 26,
        splits: ({ width }, _axis, low) => timeSplits(-low, width),
        values: (_plot, splits) => splits.map(formatTime),
      },
      { ...axis, ...{ size: 72, incrs: [...steps] }, values: (_plot, splits) => splits.map((at) => brief(format(at))) },
    ],
    series: [
      {},
      ...lines.map(({ label, ink }) => ({
        ...{ label, stroke: colour(ink), width: 2, points: { show: false } },
        fill: colour(`${ink}-fill`),
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
  };
}

/** Seconds back at which a time axis has its marks: three to six of them. */
function timeSplits(window: number, width: number): number[] {
  const step = (window <= 60 ? 15 : window <= 150 ? 30 : 60) * (width < 400 ? 2 : 1);
  return Array.from({ length: Math.floor(window / step) + 1 }, (_, i) => i * -step).reverse();
}

function formatTime(at: number): string {
  if (at === 0) return "now";
  return at % 60 === 0 ? `−${-at / 60} min` : `−${-at} s`;
}

/** 1, 2 and 5 of every power of ten that a share or a bitrate comes to. */
const steps = Array.from({ length: 15 }, (_, i) => 10 ** (i - 4)).flatMap((unit) => [unit, 2 * unit, 5 * unit]);

/** Round numbers without the zeros that measured ones show: `2 Mbit/s`, `0.5 %`. */
function brief(text: string): string {
  return text.replace(/(\.\d*?)0+(?=\s)/, "$1").replace(/\.(?=\s)/, "");
}

/** A canvas knows no custom properties and no light-dark(): the browser is asked what they come to. */
function inkOf(element: HTMLElement): (property: string) => string {
  return (property) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${property})`;
    element.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
}
