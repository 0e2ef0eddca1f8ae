import { floorId, type LoadCase } from "../report/results.ts";

const bytes = 1_200;

/** Streams by name: 4 Mbit/s are 32 frames of 13 packets a second, 20 Mbit/s are 160. */
const loads: Readonly<Record<string, number>> = { "20k": 20_000, "50k": 50_000, "4M": 416, "20M": 2_080 };

function loadCase(viewers: number, load: keyof typeof loads, burst: number, seconds: number): LoadCase {
  const packetsPerSecond = loads[load] ?? 0;
  const rate = load.endsWith("M")
    ? `${load.slice(0, -1)} Mbit/s`
    : `${packetsPerSecond.toLocaleString("en")} packets a second`;
  const title = `1→${viewers.toLocaleString("en")}, ${rate}, ${burst === 1 ? "single packets" : `bursts of ${burst}`}`;
  return { id: `${viewers}x${load}-b${burst}`, title, viewers, packetsPerSecond, burst, bytes, seconds };
}

/** What is measured: all of it, or what matters most in a fifth of the time. */
export function loadCases(quick: boolean): LoadCase[] {
  const seconds = quick ? 1.5 : 2;
  const single = [loadCase(1, "20k", 10, seconds), loadCase(1, "50k", 25, seconds)];
  if (!quick) single.unshift(loadCase(1, "20k", 1, seconds));
  const many = (quick ? [100, 500, 1_000] : [10, 100, 500, 1_000]).flatMap((viewers) => [
    loadCase(viewers, "4M", 1, seconds),
    loadCase(viewers, "4M", 13, seconds),
    // More than that is more than two cores can do.
    ...(quick || viewers > 100 ? [] : [loadCase(viewers, "20M", 1, seconds), loadCase(viewers, "20M", 13, seconds)]),
  ]);
  return [...single, ...many];
}

/** The same load to one viewer: what plain routing makes of it is what every contender's share is counted from. */
export function floorOf(load: LoadCase): LoadCase {
  // A slow stream costs next to nothing: twice the time makes sure of how little.
  const seconds = load.viewers === 1 ? load.seconds : load.seconds * 2;
  return { ...load, id: floorId(load.id), viewers: 1, seconds };
}
