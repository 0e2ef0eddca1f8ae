import { readFile } from "node:fs/promises";
import { type Document, isNode, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { addressToBytes } from "../core/address.ts";
import { type Cidr, parseCidr } from "../core/cidr.ts";
import { PunchcastError } from "../core/errors.ts";
import { streamNamePattern } from "../relay/credentials.ts";
import type { Limits } from "../relay/limits.ts";

/** One stream as the configuration file has it; what is left out takes the default of the flag of that name. */
export interface StreamConfig {
  readonly name: string;
  readonly components?: number | undefined;
  readonly ingestPort?: number | "none" | undefined;
  readonly from?: readonly Cidr[] | undefined;
  readonly viewKey?: string | undefined;
  readonly publishKey?: string | undefined;
  readonly takeover?: boolean | undefined;
  /** File with its SDP. */
  readonly sdp?: string | undefined;
}

/** The configuration file: the relay's flags in camel case, and any number of streams. */
export interface RelayConfig {
  readonly listen?: string | undefined;
  readonly publicAddress?: string | undefined;
  readonly punchPort?: number | undefined;
  readonly httpPort?: number | "none" | undefined;
  readonly webrtcPort?: number | "none" | undefined;
  readonly httpListen?: string | undefined;
  readonly adminToken?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly viewerMetrics?: boolean | undefined;
  readonly authSecret?: string | undefined;
  readonly open?: boolean | undefined;
  readonly openFrom?: readonly Cidr[] | undefined;
  readonly cache?: boolean | undefined;
  readonly plane?: "userspace" | "nat" | "ebpf" | "auto" | undefined;
  readonly state?: string | undefined;
  readonly limits?: { readonly [Limit in keyof Limits]?: number | undefined } | undefined;
  readonly streams?: readonly StreamConfig[] | undefined;
}

const port: z.ZodInt = z.int().min(1).max(65_535);
const count: z.ZodInt = z.int().min(1);
const cidr: z.ZodType<Cidr> = z.string().transform((text, context) => {
  const parsed = parseCidr(text);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: "custom", message: "is not an address block such as 192.0.2.0/24" });
  return z.NEVER;
});
const key: z.ZodString = z.string().min(1);

const streamSchema: z.ZodType<StreamConfig> = z.strictObject({
  name: z.string().regex(streamNamePattern, "takes up to 64 letters, digits, '.', '_' and '-'"),
  components: count.max(255).optional(),
  ingestPort: z.union([port, z.literal("none")]).optional(),
  from: z.array(cidr).optional(),
  viewKey: key.optional(),
  publishKey: key.optional(),
  takeover: z.boolean().optional(),
  sdp: z.string().min(1).optional(),
});

const limitsSchema: z.ZodType<NonNullable<RelayConfig["limits"]>> = z.strictObject({
  holesPerAddress: count.optional(),
  holesPerStream: count.optional(),
  holesTotal: count.optional(),
  bareHoles: count.optional(),
  requestsPerSecond: count.optional(),
});

const address: z.ZodString = z.string().refine((text) => addressToBytes(text) !== undefined, "is not an IP address");

const configSchema: z.ZodType<RelayConfig> = z.strictObject({
  listen: address.optional(),
  publicAddress: z.string().min(1).optional(),
  punchPort: port.optional(),
  httpPort: z.union([port, z.literal("none")]).optional(),
  httpListen: address.optional(),
  adminToken: key.optional(),
  tlsCert: z.string().min(1).optional(),
  tlsKey: z.string().min(1).optional(),
  viewerMetrics: z.boolean().optional(),
  webrtcPort: z.union([port, z.literal("none")]).optional(),
  authSecret: key.optional(),
  open: z.boolean().optional(),
  openFrom: z.array(cidr).optional(),
  cache: z.boolean().optional(),
  plane: z.enum(["userspace", "nat", "ebpf", "auto"]).optional(),
  state: z.string().min(1).optional(),
  limits: limitsSchema.optional(),
  streams: z.array(streamSchema).min(1).optional(),
});

/**
 * Reads a relay's YAML configuration file.
 * @throws PunchcastError FILE_UNREADABLE, or BAD_CONFIG with file, line and field
 */
export async function readRelayConfig(path: string): Promise<RelayConfig> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new PunchcastError(
      "FILE_UNREADABLE",
      `Configuration file ${path} cannot be read: check the name and its mode.`,
      cause,
    );
  }
  return parseRelayConfig(text, path);
}

/** The same from text; `path` is for the errors. */
export function parseRelayConfig(text: string, path: string): RelayConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const { line } = lines.linePos(broken.pos[0]);
    const [what = "it is not YAML"] = broken.message.split(" at line ");
    throw new PunchcastError("BAD_CONFIG", `${path}, line ${line}: ${what}.`, broken);
  }
  const parsed = configSchema.safeParse(contentOf(document, path) ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const fields = issue?.path ?? [];
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys[0] : undefined;
  const at = unknown === undefined ? fields : [...fields, unknown];
  const field = at.join(".") || "the file";
  const what = unknown === undefined ? describe(issue?.message ?? "is not valid") : "is not a setting";
  throw new PunchcastError(
    "BAD_CONFIG",
    `${path}, line ${lineOf(document, at, lines)}: ${field} ${what}.`,
    parsed.error,
  );
}

/** The document as plain values. Aliases are resolved only here, so unknown or exploding ones show here. */
function contentOf(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new PunchcastError("BAD_CONFIG", `${path}: ${what}.`, cause);
  }
}

/** Our own messages go on after the field's name; the schema library's stand apart. */
function describe(message: string): string {
  return /^(is|takes) /.test(message) ? message : `is wrong (${message})`;
}

/** The line of the deepest part of `path` that the document has. */
function lineOf(document: Document, path: readonly PropertyKey[], lines: LineCounter): number {
  for (let depth = path.length; depth > 0; depth -= 1) {
    const node = document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line;
  }
  return 1;
}
