/** What a process exits with. The same table stands in docs/errors.md. */
export const exitCodes = {
  /** Done, or stopped on request. */
  ok: 0,
  /** A defect in Punchcast: please report it. */
  internal: 1,
  /** The command line, the configuration or an input file is wrong: change it and call again. */
  usage: 2,
  /** The host lacks something: a port, a tool, a right, a kernel feature. */
  host: 3,
  /** The other side did not answer or refused. */
  peer: 4,
} as const;

/** Who has to act on a failure. */
export type ErrorKind = "internal" | "usage" | "host" | "peer";

/** Every code a `PunchcastError` can have, and who has to act on it. Held equal to docs/errors.md. */
export const errorCodes = {
  INTERNAL: "internal",
  BAD_OPTION: "usage",
  BAD_URL: "usage",
  BAD_CONFIG: "usage",
  BAD_SDP: "usage",
  BAD_MEDIA: "usage",
  NO_PLAYABLE_TRACK: "usage",
  FILE_UNREADABLE: "usage",
  FILE_UNWRITABLE: "host",
  STATE_UNREADABLE: "host",
  PORT_IN_USE: "host",
  ADDRESS_UNAVAILABLE: "host",
  NO_ADDRESS: "host",
  TOOL_MISSING: "host",
  TOOL_FAILED: "host",
  NO_PRIVILEGE: "host",
  UNSUPPORTED_HOST: "host",
  PLANE_IN_USE: "host",
  HOST_UNKNOWN: "peer",
  RELAY_REFUSED: "peer",
  SDP_UNKNOWN: "peer",
  NO_SUCH_STREAM: "peer",
  NO_SUCH_VIEWER: "peer",
  STREAM_EXISTS: "peer",
  STREAM_CONFIGURED: "peer",
  NO_AUTH_SECRET: "peer",
} as const;

/** One of the stable codes above. */
export type ErrorCode = keyof typeof errorCodes;

/**
 * The one error that Punchcast throws on purpose. `message` is one sentence that names the value at fault and the remedy;
 * `code` is stable; `cause` is what lay underneath, if anything.
 */
export class PunchcastError extends Error {
  override readonly name: string = "PunchcastError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  /** What a command that fails with this error exits with. */
  get exitCode(): number {
    const kind: ErrorKind = errorCodes[this.code];
    return exitCodes[kind];
  }
}

/** The system's code of an error (`EADDRINUSE`, `ENOENT`, …), `undefined` if it has none. */
export function systemErrorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
