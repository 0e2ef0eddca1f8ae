import type { Clock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { httpBaseOf } from "../core/http-place.ts";
import type { PunchUrl } from "../core/punch-url.ts";
import { usernameFor } from "../punch/credentials.ts";
import { askRelay, messageOf, type RelayAnswer } from "../punch/relay-http.ts";
import { readSdp, type Sdp } from "../sdp/session.ts";

/** Where an SDP is asked for: a stream with its key, or the relay of a bare punch. */
export interface SdpFetchOptions {
  readonly target: PunchUrl | { readonly host: string; readonly port: number; readonly http?: string | undefined };
  readonly clock: Clock;
  /** Told once, when the relay has one. */
  readonly onSdp: (sdp: Sdp) => void;
  /** Told why there is none (yet) and what cures it, whenever that changes. */
  readonly onMissing: (message: string) => void;
}

/**
 * How often the relay is asked while it does not know the stream yet. Not more seldom, since a person waits; not more
 * often, since a crowd of 1,000 then makes 500 requests a second.
 */
const retryMs = 2_000;

/** How often it is asked where no relay answers HTTP at all: it may have been started without. */
const unansweredRetryMs = 10_000;

/** Asks the relay for the stream's SDP until it has one. Returns what ends that. */
export function fetchSdp({ target, clock, onSdp, onMissing }: SdpFetchOptions): () => void {
  const base = httpBaseOf(target);
  const stop = new AbortController();
  let cancel = (): void => {};
  let told = "";
  const tell = (message: string): void => {
    if (message !== told) onMissing(message);
    told = message;
  };

  async function ask(): Promise<void> {
    const { sdp, message, retryInMs } = await askOnce();
    if (stop.signal.aborted) return;
    if (sdp !== undefined) return onSdp(sdp);
    tell(message);
    cancel = clock.schedule(retryInMs, () => void ask());
  }

  async function askOnce(): Promise<{ readonly sdp?: Sdp; readonly message: string; readonly retryInMs: number }> {
    const isKeyed = "stream" in target;
    const path = isKeyed ? `/streams/${encodeURIComponent(target.stream)}.sdp` : "/bare.sdp";
    const credentials = isKeyed ? { username: usernameFor(target, "viewer"), key: target.key } : undefined;
    const answer = await askRelay({ relay: target, method: "GET", path, credentials, clock, signal: stop.signal });
    if (!answer.ok) {
      const message = `${base} has no SDP for the player, since ${answer.reason}: open it there, or take the sender's with --sdp FILE.`;
      return { message, retryInMs: unansweredRetryMs };
    }
    try {
      if (answer.value.status === 200) return { sdp: readSdp(answer.value.body), message: "", retryInMs: retryMs };
    } catch (error) {
      if (!(error instanceof PunchcastError)) throw error;
      const message = `${base} answers with something else than an SDP (${error.message}): take the sender's with --sdp FILE.`;
      return { message, retryInMs: unansweredRetryMs };
    }
    return {
      message: sentenceOf(answer.value, `${base}`),
      retryInMs: answer.value.status === 404 ? retryMs : unansweredRetryMs,
    };
  }

  if (base === undefined)
    onMissing("The relay has no HTTP port to ask for the SDP: a player needs the sender's, as --sdp FILE.");
  else void ask();
  return () => {
    stop.abort();
    cancel();
  };
}

/** The relay's own sentence, if it is a relay. */
function sentenceOf(answer: RelayAnswer, base: string): string {
  return (
    messageOf(answer) ??
    `${base} answers ${answer.status} instead of an SDP: name the relay's HTTP port with --http, or take the sender's SDP with --sdp FILE.`
  );
}
