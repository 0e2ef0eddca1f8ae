/** The rates that an estimate is snapped to, in Hz: those of the usual audio codecs, and 90 kHz for all video. */
const usualRates = [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 90_000, 96_000];

/** Less says little even of smooth audio; more would leave a viewer without jitter for longer than it takes to look. */
const minWindowSeconds = 1;

/** A window that fits no rate by now began badly, with a burst perhaps; 90 can be told from 96 kHz in less than half of it. */
const maxWindowSeconds = 4;

/** Below this many frames two late ones can tilt the line; video at 10 frames a second has them within the first second. */
const minFrames = 10;

/** Half the distance between the closest usual rates (90 and 96 kHz), so that no slope can be near to two of them. */
const snapTolerance = 0.03;

/**
 * How much longer packets may take at the end of a window than at its beginning, because a queue fills: less mistakes 48
 * for 44.1 kHz on a slow link, more takes ever longer to decide. A step of d in a time of t tilts the line by 1.5 d/t.
 */
const delayDriftSeconds = 0.05;

/** Standard errors taken for certain: two are wrong for one stream in twenty, and burst residuals are not independent. */
const certainty = 4;

/** A pause or a timestamp jump this long is not the clock running: evidence from before it is dropped. */
const maxGapSeconds = 10;

/** Learns a payload's clock rate from the packets of one source. */
export interface ClockRateEstimator {
  /** Takes one packet's RTP timestamp and when it came, in ms of a monotonic clock. */
  onPacket(timestamp: number, arrivalMs: number): void;
  /** The rate in Hz, `undefined` while the evidence fits none or several. Once decided it stays. */
  rate(): number | undefined;
}

/**
 * An estimator that fits a line through (arrival, timestamp) of each frame's first packet, and decides when two windows in
 * succession say the same: a burst at the start or a queue that fills falsifies one of them. Bursts within a frame do not
 * tilt it, since a frame counts once; timestamps that go back and forth (B-frames) widen the error and delay the decision.
 */
export function createClockRateEstimator(): ClockRateEstimator {
  let decidedRate: number | undefined;
  let proposedRate: number | undefined;
  let line = createLine();
  let first: { timestamp: number; arrivalMs: number } | undefined;
  let last = { timestamp: 0, arrivalMs: 0 };
  let ticks = 0;

  return {
    rate: () => decidedRate,
    onPacket(timestamp, arrivalMs) {
      if (decidedRate !== undefined || (first !== undefined && timestamp === last.timestamp)) return;
      const step = (timestamp - last.timestamp) | 0;
      const gapSeconds = (arrivalMs - last.arrivalMs) / 1000;
      const jumped = gapSeconds > maxGapSeconds || Math.abs(step) > maxGapSeconds * 96_000;
      if (first === undefined || jumped || arrivalMs - first.arrivalMs > maxWindowSeconds * 1000) {
        first = { timestamp, arrivalMs };
        line = createLine();
        ticks = 0;
      } else {
        ticks += step;
      }
      last = { timestamp, arrivalMs };
      const seconds = (arrivalMs - first.arrivalMs) / 1000;
      line.add(seconds, ticks);
      const rate = seconds < minWindowSeconds || line.count() < minFrames ? undefined : snap(line.fit(), seconds);
      if (rate === undefined) return;
      if (rate === proposedRate) decidedRate = rate;
      proposedRate = rate;
      first = undefined;
    },
  };
}

interface Fit {
  readonly slope: number;
  readonly standardError: number;
}

function snap({ slope, standardError }: Fit, seconds: number): number | undefined {
  const error = certainty * standardError + (1.5 * slope * delayDriftSeconds) / seconds;
  const near = usualRates.filter((rate) => Math.abs(slope - rate) < Math.max(error, snapTolerance * rate));
  const [only] = near;
  return near.length === 1 && only !== undefined && Math.abs(slope - only) < snapTolerance * only ? only : undefined;
}

/** Least squares in one pass, with running means so that large numbers do not eat the small ones. */
function createLine(): { add(x: number, y: number): void; count(): number; fit(): Fit } {
  let n = 0;
  let meanX = 0;
  let meanY = 0;
  let sumXx = 0;
  let sumXy = 0;
  let sumYy = 0;
  return {
    count: () => n,
    add(x, y) {
      n += 1;
      const dx = x - meanX;
      const dy = y - meanY;
      meanX += dx / n;
      meanY += dy / n;
      sumXx += dx * (x - meanX);
      sumXy += dx * (y - meanY);
      sumYy += dy * (y - meanY);
    },
    fit() {
      const slope = sumXy / sumXx;
      const variance = Math.max(0, sumYy - slope * sumXy) / (n - 2);
      return { slope, standardError: Math.sqrt(variance / sumXx) };
    },
  };
}
