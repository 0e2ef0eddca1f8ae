import { z } from "zod";
import { parseCidr } from "../../core/cidr.ts";
import { streamNamePattern } from "../../relay/credentials.ts";
import type {
  ApiKeys,
  ApiProblem,
  ApiStream,
  ApiViewer,
  KeyRotation,
  MintedKey,
  MintRequest,
  NewStream,
  RelayInfo,
  StreamPatch,
} from "./shapes.ts";

/** Names of the shapes in the OpenAPI description. */
export const schemaNames: z.core.$ZodRegistry<{ id?: string | undefined }> = z.registry<{ id?: string | undefined }>();

function named<T>(id: string, description: string, schema: z.ZodType<T>): z.ZodType<T> {
  const described = schema.describe(description);
  schemaNames.add(described, { id });
  return described;
}

const count = z.int().min(0);
const counts = z.record(z.string(), count);
const counters = z.object({ packets: count, bytes: count, drops: count });
const streamName = z
  .string()
  .regex(streamNamePattern, "takes up to 64 letters, digits, '.', '_' and '-', a letter or digit first");
const block = z
  .string()
  .max(64)
  .refine((text) => parseCidr(text) !== undefined, "is no address block such as 192.0.2.0/24");
const [keyTakes, componentsTakes] = ["takes 8 to 128 characters", "takes 1 to 255"];
const portTakes = "takes a UDP port, 1 to 65535, or 'none'";
const key = z.string().min(8, keyTakes).max(128, keyTakes);

const settings = {
  components: z
    .int(componentsTakes)
    .min(1, componentsTakes)
    .max(255, componentsTakes)
    .optional()
    .describe("UDP ports of the stream, two for each RTP track."),
  ingestPort: z
    .union([z.int(portTakes).min(1, portTakes).max(65_535, portTakes), z.literal("none")], portTakes)
    .optional()
    .describe("UDP port of component 0, or 'none' to take media by the publish key only."),
  from: z.array(block).max(64).optional().describe("Sources that may send to the ingest ports; empty: first come."),
  takeover: z.boolean().optional().describe("Where there is room for one viewer: the newest gets it."),
};

/** `:name` of a path. */
export const streamParams: z.ZodType<{ readonly name: string }> = z.object({ name: z.string().max(64) });

/** `:name` and `:viewer` of a path. */
export const viewerParams: z.ZodType<{ readonly name: string; readonly viewer: string }> = z.object({
  name: z.string().max(64),
  viewer: z.string().max(128),
});

/** The body that creates a stream. */
export const newStreamSchema: z.ZodType<NewStream> = named(
  "NewStream",
  "What a stream is created with.",
  z.strictObject({
    name: streamName,
    ...settings,
    viewKey: key.optional().describe("Default: a random one."),
    publishKey: key.optional().describe("Default: a random one."),
  }),
);

/** The body that changes a stream. */
export const streamPatchSchema: z.ZodType<StreamPatch> = named(
  "StreamPatch",
  "What is changed; what is left out stays. With other components or ports the stream is opened anew.",
  z.strictObject(settings),
);

const ingest = z
  .looseObject({ component: count, packets: count, bytes: count })
  .describe(
    "One component's ingest; with `bitrate`, `lost`, `duplicates`, `reordered`, `jitterMs`, `frameRate`, `restarts` where the relay sees the packets.",
  );

/** One stream. */
export const streamSchema: z.ZodType<ApiStream> = named(
  "Stream",
  "One stream and how it fares. Holds no key.",
  z.object({
    name: streamName,
    components: z.int().min(1).max(255),
    ingestPorts: z.array(z.int()),
    from: z.array(z.string()),
    takeover: z.boolean(),
    origin: z.enum(["configured", "created"]),
    viewers: z.enum(["many", "one", "newest"]),
    watching: count.describe("How many watch now, however many holes each has."),
    stats: z.looseObject({
      publisherLive: z.boolean(),
      holes: count,
      in: z.array(ingest),
      out: counters,
      browsers: z
        .object({ viewers: count, publishers: count, sent: counters, worstLossFraction: z.number() })
        .optional()
        .describe("Browsers that watch or publish, which have no holes."),
      viewers: z.array(z.looseObject({ component: count, viewers: count, worstLossFraction: z.number() })),
      repair: z.object({ resent: count, refused: count }),
      oversized: count,
    }),
  }) as unknown as z.ZodType<ApiStream>,
);

/** All streams. */
export const streamListSchema: z.ZodType<{ readonly streams: readonly ApiStream[] }> = z.object({
  streams: z.array(streamSchema),
});

const browserUrl = z.string().describe("The page that plays it; absent if browsers cannot watch.");

/** A stream's keys. */
export const keysSchema: z.ZodType<ApiKeys> = named(
  "Keys",
  "A stream's keys, and URLs made of them. Whoever has them can watch and publish.",
  z.object({
    ...{ viewKey: z.string(), publishKey: z.string(), watchUrl: z.string(), publishUrl: z.string() },
    browserUrl: browserUrl.optional(),
  }),
);

/** The body that makes keys anew. */
export const rotationSchema: z.ZodType<KeyRotation> = named(
  "KeyRotation",
  "Which keys are made anew.",
  z.strictObject({ which: z.enum(["view", "publish", "both"]).optional() }),
);

/** The body that mints a credential. */
export const mintSchema: z.ZodType<MintRequest> = named(
  "MintRequest",
  "What a time-limited credential is to be good for.",
  z.strictObject({
    role: z.enum(["view", "publish"]),
    lifetimeSeconds: z.int().min(1).max(31_536_000).optional().describe("Default 3600."),
  }),
);

/** A minted credential. */
export const mintedSchema: z.ZodType<MintedKey> = named(
  "MintedKey",
  "A time-limited credential, as TURN servers make them.",
  z.object({
    ...{ username: z.string(), password: z.string(), expires: z.int(), url: z.string() },
    browserUrl: browserUrl.optional(),
  }),
);

const report = z
  .object({
    lossFraction: z.number(),
    lost: z.int(),
    jitterMs: z.number().or(z.undefined()).optional(),
    rttMs: z.number().or(z.undefined()).optional(),
  })
  .describe("What the viewer last said of its leg.");

/** The viewers of a stream. */
export const viewerListSchema: z.ZodType<{ readonly viewers: readonly ApiViewer[] }> = z.object({
  viewers: z.array(
    named(
      "Viewer",
      "One watching party.",
      z.object({
        id: z.string(),
        stream: streamName,
        by: z.enum(["key", "bare", "browser"]),
        watchingMs: z.number(),
        holes: z.array(
          z.object({
            component: count,
            mapped: z.string().describe("The viewer's mapped address."),
            relay: z.string().describe("The relay's address that it was punched to."),
            consentLeftMs: z.number(),
            sent: counters,
            report: report.optional(),
          }),
        ),
      }) as unknown as z.ZodType<ApiViewer>,
    ),
  ),
});

/** The relay. */
export const relayInfoSchema: z.ZodType<RelayInfo> = named(
  "Relay",
  "The relay as a whole.",
  z.object({
    version: z.string(),
    plane: z.string(),
    punch: z.string(),
    punchPort: z.int(),
    uptimeMs: count,
    streams: count,
    mintsKeys: z.boolean(),
    refused: counts,
    punches: counts,
    sendErrors: count,
  }),
);

/** Every answer that is no success. */
export const problemSchema: z.ZodType<ApiProblem> = named(
  "Problem",
  "Why a request did not succeed; the codes are those of docs/errors.md.",
  z.looseObject({ status: z.int(), code: z.string(), message: z.string() }),
);
