import type { Clock } from "../core/clock.ts";
import { httpBaseOf } from "../core/http-place.ts";
import type { PunchUrl } from "../core/punch-url.ts";
import { usernameFor } from "../punch/credentials.ts";
import { askRelay, messageOf, type RelayAnswer } from "../punch/relay-http.ts";

/** What is published where. */
export interface PublishOptions {
  /** The stream, with its publish key. */
  readonly url: PunchUrl;
  readonly sdp: string;
  readonly clock: Clock;
  /** The relay took it; told once. */
  readonly onPublished: () => void;
  /** It did not, and why; told whenever that changes. Sending goes on. */
  readonly onWarning: (message: string) => void;
}

/**
 * How often the SDP is published again: a relay that was restarted has forgotten it, and viewers who join after that wait
 * for as long. More often would be requests for nothing.
 */
const repeatMs = 15_000;

/** Gives the relay the stream's SDP for its viewers, and keeps it there. Returns what ends that; the relay keeps the SDP. */
export function publishSdp({ url, sdp, clock, onPublished, onWarning }: PublishOptions): () => void {
  const base = httpBaseOf(url);
  if (base === undefined) return () => {};
  const stop = new AbortController();
  let cancel = (): void => {};
  let told: string | undefined;

  async function publish(): Promise<void> {
    const answer = await askRelay({
      ...{ relay: url, method: "PUT", path: `/streams/${encodeURIComponent(url.stream)}.sdp`, body: sdp, clock },
      credentials: { username: usernameFor(url, "publisher"), key: url.key },
      signal: stop.signal,
    });
    if (stop.signal.aborted) return;
    const complaint = answer.ok ? complaintOf(answer.value) : answer.reason;
    if (complaint !== told) {
      if (complaint === "") onPublished();
      else
        onWarning(`The SDP could not be given to ${base} for viewers (${complaint}): they need it as a file (--sdp).`);
    }
    told = complaint;
    cancel = clock.schedule(repeatMs, () => void publish());
  }

  void publish();
  return () => {
    stop.abort();
    cancel();
  };
}

/** Why the relay refused, empty if it did not. */
function complaintOf(answer: RelayAnswer): string {
  return answer.status === 200 ? "" : (messageOf(answer) ?? `it answers ${answer.status}`);
}
