const counts = new Intl.NumberFormat("en");

/** Between a number and its unit, so that no line breaks there. */
const gap = "\u00a0";

/** Bits a second with the unit that leaves one to three digits before the point: `2.41 Mbit/s`. */
export function formatBitrate(bitsPerSecond: number): string {
  const units = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"];
  let value = Math.max(0, bitsPerSecond);
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit < 2 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)}${gap}${units[unit]}`;
}

/** A share of 0-1: `0 %`, `< 0.1 %`, `2.4 %`, `31 %`; `–` for what nobody knows. */
export function formatShare(share: number | undefined): string {
  if (share === undefined) return "–";
  const percent = Math.min(1, Math.max(0, share)) * 100;
  if (percent === 0) return `0${gap}%`;
  if (percent < 0.1) return `<${gap}0.1${gap}%`;
  return `${percent.toFixed(percent < 9.95 ? 1 : 0)}${gap}%`;
}

/** Milliseconds in the two largest units: `12 s`, `3 min 5 s`, `2 h 40 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units = [
    [86_400, "d"],
    [3_600, "h"],
    [60, "min"],
    [1, "s"],
  ] as const;
  const at = units.findIndex(([size]) => seconds >= size);
  if (at === -1) return `0${gap}s`;
  let rest = seconds;
  const parts = units.slice(at, at + 2).map(([size, name]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? "" : `${count}${gap}${name}`;
  });
  return parts.filter((part) => part !== "").join(gap);
}

/** `1,234,567`. */
export function formatCount(count: number): string {
  return counts.format(count);
}

/** Milliseconds of a round trip or jitter: `0.4 ms`, `12 ms`; `–` for what nobody knows. */
export function formatMs(ms: number | undefined): string {
  if (ms === undefined) return "–";
  return `${ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0)}${gap}ms`;
}

/** `1 viewer`, `2 viewers`. */
export function formatNumber(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** The codec of an rtpmap without clock rate and channels: `H264`. */
export function formatCodec(codec: string): string {
  return codec.replace(/\/.*/, "");
}
