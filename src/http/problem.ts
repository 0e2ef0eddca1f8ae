import type { FastifyError, FastifyReply } from "fastify";
import { type ErrorCode, errorCodes, PunchcastError } from "../core/errors.ts";

/** An answer that is no success: status, code and sentence, and what else the client should know. */
export class HttpProblem extends PunchcastError {
  readonly status: number;
  /** Further members of the JSON object. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: ErrorCode,
    message: string,
    more: {
      readonly details?: Readonly<Record<string, unknown>>;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super(code, message);
    this.status = status;
    this.details = more.details ?? {};
    this.headers = more.headers ?? {};
  }
}

/** Any failure of a request as a problem. What is not known here is ours and tells nothing of itself. */
export function problemOf(error: FastifyError | Error): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof PunchcastError) {
    const status = errorCodes[error.code] === "usage" ? 400 : 500;
    return new HttpProblem(status, error.code, error.message);
  }
  const status = "statusCode" in error ? (error.statusCode ?? 500) : 500;
  if (status === 413)
    return new HttpProblem(413, "BAD_SDP", "The body is too large: give the SDP alone, at most 65536 bytes.");
  if (status >= 400 && status < 500)
    return new HttpProblem(status, "BAD_URL", "The request is not understood: check its path, query and headers.");
  return new HttpProblem(500, "INTERNAL", "This should not happen, please report it with what the relay printed.");
}

/** Sends a problem as JSON (RFC 9457's media type), with the code that commands print too. */
export function sendProblem(reply: FastifyReply, problem: HttpProblem): FastifyReply {
  const { status, code, message, details, headers } = problem;
  return reply
    .code(status)
    .headers(headers)
    .type("application/problem+json")
    .send(JSON.stringify({ status, code, message, ...details }));
}
