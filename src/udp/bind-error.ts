import { PunchcastError } from "../core/errors.ts";

/** What a port that cannot be bound is told as. `code` is the system's name of the reason, such as `EADDRINUSE`. */
export function bindError(code: string | undefined, at: string, purpose: string, cause?: Error): PunchcastError {
  switch (code) {
    case "EADDRINUSE":
      return new PunchcastError(
        "PORT_IN_USE",
        `${purpose} ${at} is in use: stop the program that has it or choose another port.`,
        cause,
      );
    case "EADDRNOTAVAIL":
    case "EINVAL":
      return new PunchcastError(
        "ADDRESS_UNAVAILABLE",
        `${purpose} ${at} cannot be bound: this host does not have that address.`,
        cause,
      );
    case "EACCES":
    case "EPERM":
      return new PunchcastError(
        "NO_PRIVILEGE",
        `${purpose} ${at} needs a right this user lacks: choose a port above 1023.`,
        cause,
      );
    default:
      return new PunchcastError(
        "INTERNAL",
        `${purpose} ${at} cannot be bound: ${cause?.message ?? code ?? "no reason given"}.`,
        cause,
      );
  }
}
