import type { PunchUrl } from "../core/punch-url.ts";
import type { PunchRole } from "../stun/attributes/punch.ts";

/**
 * The STUN username for a stream's URL: the stream itself for a fixed key; for a time-limited credential
 * `<unix expiry>:<stream>` to watch and `<unix expiry>:<stream>:publish` to publish.
 */
export function usernameFor(url: PunchUrl, role: PunchRole): string {
  if (url.expires === undefined) return url.stream;
  return `${url.expires}:${url.stream}${role === "publisher" ? ":publish" : ""}`;
}

/** What a refusal means to the person who asked, and what to do. */
export function explainRefusal(code: number, reason: string): string {
  if (code === 401)
    return "the key is wrong or has expired, or there is no such stream: check the URL that the relay printed";
  if (code === 403) return "whoever runs the relay ended this watch";
  if (code === 486) return "the relay or the stream is full, or somebody else publishes to it";
  if (code === 400)
    return "the relay does not know this component or this version: check --components, and update both sides";
  return `it says ${code} ${reason}`;
}
