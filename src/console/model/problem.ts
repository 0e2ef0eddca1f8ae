import { statusOf } from "../../http/client/relay-client.ts";

/** Why the console cannot speak with the relay. */
export interface Problem {
  /** `unreachable` passes by itself; with all others somebody has to do something. */
  readonly kind: "wrong-token" | "refused" | "no-api" | "wait" | "unreachable";
  /** A sentence for people. */
  readonly message: string;
}

/** What a failed request means. */
export function problemFrom(error: unknown): Problem {
  const message = error instanceof Error ? error.message : String(error);
  switch (statusOf(error)) {
    case 401:
      return { kind: "wrong-token", message: "This is not the relay's admin token: look it up in its state file." };
    case 403:
      return { kind: "refused", message };
    case 404:
      return { kind: "no-api", message: "This relay has no API: start it with 'punchcast relay'." };
    case 429:
      return { kind: "wait", message };
    default:
      return { kind: "unreachable", message: "The relay does not answer." };
  }
}

/** What is wrong with a form: for one of its fields, if the relay's sentence says which. */
export interface FormProblem {
  readonly field: string | undefined;
  readonly message: string;
}

/** Which field a refusal is about, by the names that the relay's sentences have (`body/ingestPort …`, `--ingest-port`). */
export function formProblem(error: unknown, fields: readonly string[]): FormProblem {
  const message = error instanceof Error ? error.message : String(error);
  const named = /body\/(\w+)(?:\/\d+)? (.*)$/s.exec(message);
  const found = fields.find((field) => field === named?.[1]);
  if (found !== undefined) return { field: found, message: sentence(named?.[2] ?? message) };
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const flag =
    fieldOfCode[code] ??
    fields.find((field) => message.includes(`--${field.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`));
  return { field: flag, message };
}

const fieldOfCode: Readonly<Record<string, string>> = { STREAM_EXISTS: "name", PORT_IN_USE: "ingestPort" };

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;
}
