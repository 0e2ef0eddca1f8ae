import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Lab } from "../lab/lab.ts";
import type { LegCounters, RouterMapping } from "../lab/router-state.ts";
import type { SendEvent } from "../send/send-events.ts";
import type { ServerEvent } from "../server/server-events.ts";
import type { WatchEvent } from "../watch/watch-events.ts";
import { type ChildCommand, followChild, ownCommand } from "./child-events.ts";
import { defaultIngestPort } from "./relay-options.ts";

/** What one router in the lab shows. */
export interface RouterView {
  readonly router: string;
  readonly mappings: readonly RouterMapping[];
  readonly out: LegCounters;
  readonly in: LegCounters;
}

/** What one part of the lab tells: `host` is where it runs. */
export type LabEvent =
  | (ServerEvent & { readonly host: "relay" })
  | (SendEvent & { readonly host: "S1" })
  | (WatchEvent & { readonly host: string })
  | { readonly event: "nat"; readonly host: "lab"; readonly routers: readonly RouterView[] };

/** The seed's scene at work. */
export interface RunningScene {
  /** `punch://…` with the view key. */
  readonly watchUrl: string;
  /** The sender's SDP. */
  readonly sdpPath: string;
  /** Reads all routers. */
  readRouters(): Promise<readonly RouterView[]>;
  stop(): Promise<void>;
}

/** Sends `file` from S1 to the relay as a plain RTP sender does, and watches it on `viewers`. */
export async function runScene(
  lab: Lab,
  file: string,
  viewers: readonly string[],
  onEvent: (event: LabEvent) => void,
): Promise<RunningScene> {
  const folder = await mkdtemp(join(tmpdir(), "punchcast-lab-"));
  const sdpPath = join(folder, "live.sdp");
  const running: ChildCommand<LabEvent>[] = [];

  function start<Event extends { readonly event: string }>(host: string, args: readonly string[]): ChildCommand<Event> {
    const [command, all] = ownCommand([...args, "--json"]);
    const child = lab.host(host).spawn(command, all, { stdio: ["ignore", "pipe", "inherit"] });
    const follower = followChild<Event>(child, `${args[0]} on ${host}`, (event) =>
      onEvent({ ...event, host } as never),
    );
    running.unshift(follower as never);
    return follower;
  }

  async function stop(): Promise<void> {
    for (const part of running.splice(0)) await part.stop();
    await rm(folder, { recursive: true, force: true });
  }

  try {
    const relay = start<ServerEvent>("relay", [
      "relay",
      "--state",
      join(folder, "relay.json"),
      "--public-address",
      lab.host("relay").address,
    ]);
    const { streams } = await relay.first("listening");
    const watchUrl = streams[0]?.watchUrl ?? "";
    const target = `rtp://${lab.host("relay").address}:${defaultIngestPort}`;
    await start<SendEvent>("S1", ["send", file, target, "--loop", "--sdp", sdpPath]).first("sending");
    await Promise.all(
      viewers.map((host) => {
        const sdpOut = join(folder, `${host}.sdp`);
        return start<WatchEvent>(host, ["watch", watchUrl, "--sdp", sdpPath, "--sdp-out", sdpOut]).first("ready");
      }),
    );
    return {
      watchUrl,
      sdpPath,
      stop,
      readRouters: () => Promise.all(lab.scene.routers.map(({ name }) => readRouter(lab, name))),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function readRouter(lab: Lab, name: string): Promise<RouterView> {
  const router = lab.router(name);
  const [mappings, counters] = await Promise.all([router.mappings(), router.counters()]);
  return { router: name, mappings, out: counters.out, in: counters.in };
}
