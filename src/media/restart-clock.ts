/** One start of a publisher after the first: what its tracks have in common. */
export interface Restart {
  /** When its first packet came, in ms of a monotonic clock. */
  readonly at: number;
  /** What the timestamps of the track that came first were moved by, in seconds. */
  readonly seconds: number;
  /** Added to the NTP timestamps of its sender reports, in seconds; `undefined` until the first report fixes it. */
  ntpSeconds: number | undefined;
  /** Tracks that have begun, by component. */
  readonly tracks: Set<number>;
}

/** One track that begins anew. Ticks are of its clock and do not wrap. */
export interface TrackStart {
  readonly component: number;
  /** Its first packet: timestamp as sent, and when it came. */
  readonly timestamp: number;
  readonly at: number;
  /** In Hz. */
  readonly clockRate: number;
  /** What players would see had the track gone on all the while. */
  readonly expected: number;
  /** Less would run into what they have already. */
  readonly least: number;
  /** The shift that its sender reports ask for, given the restart's `ntpSeconds`; any number of wraps off. */
  readonly shiftByReports: (ntpSeconds: number) => number | undefined;
}

/** Keeps the tracks of a publisher together when it starts anew. */
export interface RestartClock {
  /** What to add to the track's timestamps, in ticks. */
  begin(start: TrackStart): { readonly restart: Restart; readonly shift: number };
}

/** Tracks that begin within this time began together: a slow camera's sound may come seconds after its picture. */
const togetherMs = 10_000;

/**
 * How far a common shift may lie from what a track's own pause suggests. Packets of sound come up to half a second after
 * their first sample; a random timestamp would pass for a common one in one of 20,000 restarts.
 */
const toleranceSeconds = 1;

/**
 * The track that comes first goes on by the time that has passed. Others are moved by the same time if their timestamps
 * count from the same moment, as MP4Box's do; else as the sender reports of both tracks tell (RFC 3550 §6.4.1); else, with
 * neither, by their own pause.
 */
export function createRestartClock(): RestartClock {
  let latest: Restart | undefined;

  return {
    begin({ component, timestamp, at, clockRate, expected, least, shiftByReports }) {
      const own = Math.round(Math.max(expected, least)) - timestamp;
      if (latest === undefined || latest.tracks.has(component) || at - latest.at > togetherMs) {
        latest = { at, seconds: own / clockRate, ntpSeconds: undefined, tracks: new Set([component]) };
        return { restart: latest, shift: own };
      }
      latest.tracks.add(component);
      const { seconds, ntpSeconds } = latest;
      const byReports = ntpSeconds === undefined ? undefined : shiftByReports(ntpSeconds);
      for (const shift of [seconds * clockRate, byReports]) {
        const away = shift === undefined ? Number.POSITIVE_INFINITY : wrapped(shift - own);
        if (Math.abs(away) > toleranceSeconds * clockRate) continue;
        return { restart: latest, shift: Math.max(own + away, Math.round(least) - timestamp) };
      }
      return { restart: latest, shift: own };
    },
  };
}

/** Modulo 2³², -2³¹ to 2³¹-1. */
function wrapped(ticks: number): number {
  return Math.round(ticks) | 0;
}
