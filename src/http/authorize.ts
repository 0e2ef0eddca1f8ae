import { isSignedBy, parseSignature, sameSecret, signatureToleranceSeconds } from "../core/signed-request.ts";
import { findGrant, type StreamKeys, timeLimitedUsername } from "../relay/credentials.ts";

/** What an HTTP request shows of who asks. */
export interface Credentials {
  readonly method: string;
  /** Path with query, as in the request line. */
  readonly target: string;
  /** The Authorization field. */
  readonly authorization?: string | undefined;
  /** `key` of the query: a key, or the password of a time-limited credential. */
  readonly key?: string | undefined;
  /** `expires` of the query: the time-limited credential's end, as in a punch URL. */
  readonly expires?: string | undefined;
  readonly body?: Uint8Array | undefined;
}

/** What keys there are. */
export interface KeyRing {
  keysOf(stream: string): StreamKeys | undefined;
  readonly authSecret: string | undefined;
}

/** What let a request through. */
export interface Proof {
  readonly username: string;
  readonly password: string;
}

/** Why a request is refused. */
export type Refusal = "no-credentials" | "wrong-credentials" | "wrong-time";

/**
 * Checks that a request may do `access` to `stream`: it has one of the stream's keys or is signed with it. The publish key
 * may do what the view key may. `wallNowMs` is the time of day in milliseconds since 1970 UTC.
 */
export function authorize(
  stream: string,
  access: "view" | "publish",
  credentials: Credentials,
  keys: KeyRing,
  wallNowMs: number,
): Proof | Refusal {
  const proofsOf = (username: string): Proof[] => grants(stream, access, username, keys, wallNowMs);
  const { authorization, key: keyInQuery, expires } = credentials;
  const signature = authorization === undefined ? undefined : parseSignature(authorization);
  if (signature !== undefined) {
    const request = { ...credentials, ...signature };
    const proof = proofsOf(signature.username).find(({ password }) => isSignedBy(request, signature.digest, password));
    if (proof === undefined) return "wrong-credentials";
    const isTimely = Math.abs(signature.time - wallNowMs / 1000) <= signatureToleranceSeconds;
    return isTimely ? proof : "wrong-time";
  }

  const key = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? keyInQuery;
  if (key === undefined) return authorization === undefined ? "no-credentials" : "wrong-credentials";
  const usernames = [
    stream,
    ...(expires !== undefined && /^\d{1,15}$/.test(expires)
      ? (["viewer", "publisher"] as const).map((role) => timeLimitedUsername(stream, role, Number(expires)))
      : []),
  ];
  return usernames.flatMap(proofsOf).find(({ password }) => sameSecret(key, password)) ?? "wrong-credentials";
}

/** Whether what let a request through still would: streams go, keys change, and time-limited credentials end. */
export function isStillGood(
  stream: string,
  access: "view" | "publish",
  { username, password }: Proof,
  keys: KeyRing,
  wallNowMs: number,
): boolean {
  return grants(stream, access, username, keys, wallNowMs).some((grant) => sameSecret(password, grant.password));
}

/** What may do `access` to the stream under this name. */
function grants(
  stream: string,
  access: "view" | "publish",
  username: string,
  { keysOf, authSecret }: KeyRing,
  wallNowMs: number,
): Proof[] {
  const roles = access === "view" ? (["viewer", "publisher"] as const) : (["publisher"] as const);
  return roles.flatMap((role) => {
    const grant = findGrant(username, role, { keysOf, authSecret, wallNowMs });
    return typeof grant === "object" && grant.stream === stream ? [{ username, password: grant.password }] : [];
  });
}
