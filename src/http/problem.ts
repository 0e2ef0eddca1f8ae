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

/** The statuses of what the API refuses. */
const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  NO_SUCH_STREAM: 404,
  NO_SUCH_VIEWER: 404,
  STREAM_EXISTS: 409,
  STREAM_CONFIGURED: 409,
  NO_AUTH_SECRET: 409,
  PORT_IN_USE: 409,
};

/** What a schema has to say of a body that is all wrong can be long: the first of it is enough to mend the rest. */
const messageLengthMax = 300;

/** Any failure of a request as a problem. What is not known here is ours and tells nothing of itself. */
export function problemOf(error: FastifyError | Error): HttpProblem {
  if (error instanceof HttpProblem) return error;
  if (error instanceof PunchcastError) {
    const status = statuses[error.code] ?? (errorCodes[error.code] === "usage" ? 400 : 500);
    return new HttpProblem(status, error.code, error.message);
  }
  if ("validation" in error && error.validation !== undefined) {
    const what = error.message.slice(0, messageLengthMax).replace(/\.$/, "");
    return new HttpProblem(400, "BAD_OPTION", `The request does not fit: ${what}.`);
  }
  const status = "statusCode" in error ? (error.statusCode ?? 500) : 500;
  if (status === 413)
    return new HttpProblem(
      413,
      "BAD_SDP",
      "The body is too large: give the SDP or the JSON object alone, at most 65536 bytes.",
    );
  if (status === 415 || ("code" in error && error.code.startsWith("FST_ERR_CTP")) || error instanceof SyntaxError)
    return new HttpProblem(
      status,
      "BAD_OPTION",
      "The body is not understood: send one JSON object, as application/json.",
    );
  if (status >= 400 && status < 500)
    return new HttpProblem(
      status,
      "BAD_URL",
      "The request is not understood: check its path, query, headers and body.",
    );
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
