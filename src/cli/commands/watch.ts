import { Command, Option } from "commander";
import { parseHostPort } from "../../core/address.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import { PunchcastError } from "../../core/errors.ts";
import { defaultPunchPort, parsePunchUrl } from "../../core/punch-url.ts";
import { readSdp } from "../../sdp/session.ts";
import { requirePlayer } from "../../watch/player.ts";
import { type PlayerName, playerNames } from "../../watch/player-commands.ts";
import { requireRecorder } from "../../watch/recorder.ts";
import type { ToolEnd } from "../../watch/tool.ts";
import { type Watch, type WatchOptions, watch } from "../../watch/watch.ts";
import type { WatchEvent } from "../../watch/watch-events.ts";
import { componentList, httpPlace, integer, seconds, udpUrls } from "../option-parsers.ts";
import { createOutput } from "../output.ts";
import { createWatchRenderer } from "../render-watch.ts";
import { loadSdpText } from "../sdp-file.ts";
import { listenForStop, type StopSignal } from "../until-stopped.ts";

interface Flags {
  readonly components?: readonly number[];
  readonly port?: number;
  readonly player: PlayerName | "none";
  readonly record?: string;
  readonly output?: NonNullable<WatchOptions["outputs"]>;
  readonly ttl?: number;
  readonly cache: boolean;
  readonly sdp?: string;
  readonly sdpOut?: string;
  readonly latency?: number;
  readonly repair: boolean;
  readonly http?: string;
  readonly duration?: number;
  readonly bare?: string;
  readonly json?: boolean;
}

/** `punchcast watch`. */
export function watchCommand(): Command {
  return new Command("watch")
    .description("Watch a stream: punch holes to the relay, keep them open, hand the packets to a player on this host.")
    .argument("[url]", "punch://HOST[:9000]/STREAM?key=KEY, as the relay prints it")
    .option("--components <list>", "components to watch, such as 0,2 (default: all)", componentList)
    .option(
      "--port <port>",
      "component k goes to this port + k of 127.0.0.1 (default: free ones from 5004 on)",
      integer(1, 65_535),
    )
    .addOption(
      new Option("--player <name>", "player to start; its end ends the watch")
        .choices([...playerNames, "none"])
        .default("none"),
    )
    .option("--record <file>", "record to this .mp4, .mkv or .ts file as it is, through ffmpeg")
    .option(
      "--output <url>",
      "component k goes to this udp://HOST:PORT + k instead; may be given more than once",
      udpUrls,
    )
    .option("--ttl <hops>", "routers that packets to a multicast group may pass (default: 1)", integer(1, 255))
    .option("--no-cache", "give a player that starts late nothing of what it missed")
    .option("--sdp <file>", "the sender's SDP, to be rewritten for the player (default: asked of the relay)")
    .option(
      "--http <place>",
      "where the relay's HTTP is: a port, a URL or 'none' (default: the punch port's number)",
      httpPlace,
    )
    .option("--sdp-out <file>", "where to write it (default: a file in the temporary folder)")
    .option("--latency <ms>", "wait so long for missing packets and put them in order (default: 0)", integer(0, 10_000))
    .option("--no-repair", "do not ask the relay for missing packets")
    .option("--duration <seconds>", "end after this long", seconds)
    .option("--bare <host:port>", "punch with a bare datagram and no key, to a relay started with --open")
    .option("--json", "one JSON object a line")
    .addHelpText(
      "after",
      "\nExample:\n  punchcast watch 'punch://relay.example/live?key=KEY' --player ffplay --record live.mp4\n" +
        "  punchcast watch 'punch://relay.example/drone?key=KEY' --output udp://127.0.0.1:5600\n",
    )
    .action(runWatch);
}

async function runWatch(url: string | undefined, flags: Flags): Promise<void> {
  const target = { ...chooseTarget(url, flags.bare), ...(flags.http !== undefined && { http: flags.http }) };
  const sdp = flags.sdp === undefined ? undefined : readSdp(await loadSdpText(flags.sdp));
  if (flags.player !== "none") await requirePlayer(flags.player);
  if (flags.record !== undefined) await requireRecorder(flags.record);
  const output = createOutput<WatchEvent>({ json: flags.json ?? false, render: createWatchRenderer() });
  const stop = listenForStop(flags.duration);
  const options: WatchOptions = {
    target,
    signal: stop.signal,
    onEvent: output.tell,
    cache: flags.cache,
    ...(flags.components && { components: flags.components }),
    ...(flags.port !== undefined && { port: flags.port }),
    ...(flags.latency !== undefined && { latencyMs: flags.latency }),
    repair: flags.repair,
    ...(flags.output && { outputs: flags.output }),
    ...(flags.ttl !== undefined && { multicastTtl: flags.ttl }),
    ...(sdp && { sdp }),
    ...(flags.sdpOut !== undefined && { sdpOut: flags.sdpOut }),
  };
  try {
    const running = await watch(options);
    try {
      const reason = await untilEnd(running, flags, stop);
      output.end();
      await running.close(reason);
    } finally {
      await running.close();
    }
  } catch (error) {
    // Stopped while still waiting for the relay: nothing was open, so nothing is left to close.
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
    output.end();
    output.tell({ event: "ended", reason: stop.signal.reason });
  } finally {
    stop.release();
  }
}

type EndReason = (WatchEvent & { event: "ended" })["reason"];

/** A player that ends sooner than this with an error could not start; later on it was closed, which some call an error too. */
const startMs = 3_000;

/** A Ctrl-C reaches the programs too: why they ended is told by ours, which may come a little later. */
const signalMs = 100;

async function untilEnd(running: Watch, { player, record }: Flags, stop: StopSignal): Promise<EndReason> {
  const ends: Promise<EndReason>[] = [stop.stopped, running.ended.then(() => "stopped")];
  const wasStopped = (): Promise<EndReason | undefined> =>
    Promise.race([stop.stopped, sleep(systemClock, signalMs).then(() => undefined)]);
  if (player !== "none") {
    ends.push(
      running.play(player).then(async (end) => {
        const hasFailed = end.code !== 0 && end.ranMs < startMs;
        return (await wasStopped()) ?? (hasFailed ? fail(player, end) : "player-closed");
      }),
    );
  }
  if (record !== undefined) {
    ends.push(
      running
        .record(record)
        .then(async (end) => (await wasStopped()) ?? (end.code === 0 ? "recorder-closed" : fail("ffmpeg", end))),
    );
  }
  return Promise.race(ends);
}

function fail(program: string, { code, lastWords }: ToolEnd): never {
  const how = code === null ? "was killed" : `ended with code ${code}`;
  const said = lastWords === "" ? "it said nothing" : `it said: ${lastWords}`;
  throw new PunchcastError("TOOL_FAILED", `Program ${program} ${how}; ${said}.`);
}

function chooseTarget(url: string | undefined, bare: string | undefined): WatchOptions["target"] {
  if (url !== undefined && bare === undefined) return parsePunchUrl(url);
  const place = bare === undefined ? undefined : parseHostPort(bare, defaultPunchPort);
  if (url === undefined && place !== undefined) return { ...place, bare: true };
  if (url === undefined && bare !== undefined) {
    throw new PunchcastError("BAD_OPTION", `--bare '${bare}' is not a relay: write HOST or HOST:PORT.`);
  }
  throw new PunchcastError("BAD_OPTION", "Give either a stream's URL or --bare HOST:PORT.");
}
