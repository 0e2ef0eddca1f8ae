/** Why something was refused, for people; in the relay's own words where they will do. */
export function describeReason(reason: string): string {
  return descriptions[reason] ?? sentenceCase(reason.replaceAll("-", " "));
}

/** Among the refusals, but how every punch begins: nothing is wrong. */
export const harmless: ReadonlySet<string> = new Set(["no-credentials", "stale-nonce"]);

const descriptions: Readonly<Record<string, string>> = {
  "no-credentials": "First requests, answered with a nonce",
  "stale-nonce": "Nonces that had run out, answered with a new one",
  "wrong-key": "Wrong keys",
  "expired-credential": "Time-limited keys that had run out",
  "unknown-username": "Streams or names that are not there",
  "wrong-role": "Keys to watch where to publish was asked, or the other way round",
  kicked: "Viewers who were kicked",
  "rate-limited": "Too many requests from one address",
  "one-viewer-only": "A second viewer where there is room for one",
  "holes-per-address": "More holes than one address may have",
  "holes-per-stream": "More holes than a stream may have",
  "holes-total": "More holes than the relay may have",
  "no-such-stream": "Streams that were deleted",
  "no-such-component": "Components that a stream does not have",
  "publisher-busy": "Senders while another one sends",
  "source-not-allowed": "Senders from addresses that may not send",
  "unknown-source": "Media at the punch port from nobody known",
};

function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
