import { createHmac } from "node:crypto";
import type { PunchRole } from "../stun/attributes/punch.ts";

/** What a username grants, and the password that proves it. */
export interface Grant {
  readonly stream: string;
  readonly role: PunchRole;
  readonly password: string;
}

/** The keys of one stream. */
export interface StreamKeys {
  readonly viewKey: string;
  readonly publishKey: string;
}

/** A stream's name: what fits a URL's path and a STUN username unescaped. */
export const streamNamePattern: RegExp = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * The username of a time-limited credential, as TURN servers write it: `<unix expiry>:<stream>`, which grants watching;
 * `<unix expiry>:<stream>:publish` grants publishing. `expiresAt` is in seconds since 1970 UTC.
 */
export function timeLimitedUsername(stream: string, role: PunchRole, expiresAt: number): string {
  return `${expiresAt}:${stream}${role === "publisher" ? ":publish" : ""}`;
}

/**
 * The password of a time-limited credential: `base64(HMAC-SHA1(secret, username))`, exactly as the TURN REST API makes it
 * (draft-uberti-behave-turn-rest §2.2), so that a web backend that mints TURN credentials can mint these.
 */
export function timeLimitedPassword(secret: string, username: string): string {
  return createHmac("sha1", secret).update(username).digest("base64");
}

/** Why a username grants nothing. */
export type GrantRefusal = "unknown-username" | "expired-credential" | "wrong-role";

/**
 * What `username` grants in `role`, before any proof: the caller still has to check the request's integrity with the
 * password. `wallNowMs` is the time of day in milliseconds since 1970 UTC.
 */
export function findGrant(
  username: string,
  role: PunchRole,
  context: {
    readonly keysOf: (stream: string) => StreamKeys | undefined;
    readonly authSecret: string | undefined;
    readonly wallNowMs: number;
  },
): Grant | GrantRefusal {
  const fixed = context.keysOf(username);
  if (fixed !== undefined) {
    return { stream: username, role, password: role === "viewer" ? fixed.viewKey : fixed.publishKey };
  }
  const match = /^(\d{1,15}):([^:]+)(:publish)?$/.exec(username);
  const stream = match?.[2];
  if (stream === undefined || context.authSecret === undefined || context.keysOf(stream) === undefined) {
    return "unknown-username";
  }
  if ((match?.[3] === undefined) !== (role === "viewer")) return "wrong-role";
  if (Number(match?.[1]) * 1000 <= context.wallNowMs) return "expired-credential";
  return { stream, role, password: timeLimitedPassword(context.authSecret, username) };
}
