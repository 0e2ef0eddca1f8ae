import { request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Clock } from "../core/clock.ts";
import { systemErrorCode } from "../core/errors.ts";
import { httpBaseOf } from "../core/http-place.ts";
import { type Decoded, decoded, malformed } from "../core/result.ts";
import { signatureToleranceSeconds, signRequest } from "../core/signed-request.ts";

/** A request to the relay's HTTP port. */
export interface RelayRequest {
  /** The relay; see `httpBaseOf`. */
  readonly relay: { readonly host: string; readonly port: number; readonly http?: string | undefined };
  readonly method: "GET" | "PUT";
  /** With its query. */
  readonly path: string;
  /** Signs the request, so that the key itself stays here. Absent: asks without. */
  readonly credentials?: { readonly username: string; readonly key: string } | undefined;
  readonly body?: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** What came back. */
export interface RelayAnswer {
  readonly status: number;
  readonly body: string;
  /** Seconds since 1970 UTC at the relay, if it told. */
  readonly time: number | undefined;
}

/** An answer takes as long as a punch that people would wait for; a firewall that drops TCP says nothing at all. */
const timeoutMs = 5_000;

/** No SDP is larger, and a host that is no relay shall not fill our memory. */
const answerBytesMax = 262_144;

/**
 * Asks the relay, or says in words why no answer came: "nothing listens there". If the relay's clock differs from this
 * host's by more than a signature may be off, the request is signed once more by the relay's. Never rejects.
 */
export async function askRelay(request: RelayRequest): Promise<Decoded<RelayAnswer>> {
  const localTime = Math.floor(request.clock.wallNow() / 1000);
  const answer = await exchange(request, localTime);
  if (!answer.ok || answer.value.status !== 401 || request.credentials === undefined) return answer;
  const { time } = answer.value;
  return time !== undefined && Math.abs(time - localTime) > signatureToleranceSeconds / 2
    ? exchange(request, time)
    : answer;
}

/** The sentence in a relay's refusal; `undefined` if what answered is no relay. */
export function messageOf({ body }: RelayAnswer): string | undefined {
  try {
    const { message } = JSON.parse(body);
    // Control characters of a stranger have no business on a terminal.
    return typeof message === "string" ? message.replaceAll(/\p{Cc}/gu, " ").slice(0, 500) : undefined;
  } catch {
    return undefined;
  }
}

async function exchange(request: RelayRequest, time: number): Promise<Decoded<RelayAnswer>> {
  const { relay, method, path, credentials, body, signal } = request;
  const base = httpBaseOf(relay);
  if (base === undefined) return malformed("it has no HTTP port");
  const bytes = body === undefined ? undefined : Buffer.from(body);
  const authorization =
    credentials &&
    signRequest({ method, target: path, username: credentials.username, time, body: bytes }, credentials.key);
  // Not `fetch`, which refuses a list of ports that a relay may well be on, such as 5060.
  const send = base.startsWith("https:") ? httpsRequest : httpRequest;
  const ended = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
  return new Promise((resolve) => {
    const fail = (error: unknown): void => resolve(malformed(explainFailure(error)));
    const headers = {
      ...(authorization !== undefined && { authorization }),
      ...(bytes && { "content-type": "application/sdp", "content-length": bytes.length }),
    };
    send(`${base}${path}`, { method, headers, signal: ended, agent: false }, (response) => {
      collect(response).then((answer) => resolve(decoded(answer)), fail);
    })
      .on("error", fail)
      .end(bytes);
  });
}

async function collect(response: IncomingMessage): Promise<RelayAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > answerBytesMax) throw new Error("the answer is too large for a relay's");
    chunks.push(chunk);
  }
  const date = Date.parse(response.headers.date ?? "");
  return {
    status: response.statusCode ?? 0,
    body: Buffer.concat(chunks).toString("utf8"),
    time: Number.isNaN(date) ? undefined : date / 1000,
  };
}

function explainFailure(error: unknown): string {
  switch (systemErrorCode(error)) {
    case "ECONNREFUSED":
      return "nothing listens on that TCP port";
    case "ABORT_ERR":
      return `no answer in ${timeoutMs / 1000} s`;
    case "HPE_INVALID_CONSTANT":
    case "ECONNRESET":
      return "what listens there is no relay";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
