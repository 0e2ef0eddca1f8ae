import { Command, Option } from "commander";
import { parseHostPort } from "../../core/address.ts";
import { PunchcastError } from "../../core/errors.ts";
import { defaultPunchPort, parsePunchUrl } from "../../core/punch-url.ts";
import { readSdp } from "../../sdp/session.ts";
import { type PlayerName, playerNames, startPlayer } from "../../watch/player.ts";
import { type Watch, type WatchOptions, watch } from "../../watch/watch.ts";
import type { WatchEvent } from "../../watch/watch-events.ts";
import { componentList, httpPlace, integer, seconds } from "../option-parsers.ts";
import { createOutput } from "../output.ts";
import { createWatchRenderer } from "../render-watch.ts";
import { loadSdpText } from "../sdp-file.ts";
import { listenForStop, type StopReason } from "../until-stopped.ts";

interface Flags {
  readonly components?: readonly number[];
  readonly port?: number;
  readonly player: PlayerName | "none";
  readonly sdp?: string;
  readonly sdpOut?: string;
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
    .addOption(new Option("--player <name>", "player to start").choices([...playerNames, "none"]).default("none"))
    .option("--sdp <file>", "the sender's SDP, to be rewritten for the player (default: asked of the relay)")
    .option(
      "--http <place>",
      "where the relay's HTTP is: a port, a URL or 'none' (default: the punch port's number)",
      httpPlace,
    )
    .option("--sdp-out <file>", "where to write it (default: a file in the temporary folder)")
    .option("--duration <seconds>", "end after this long", seconds)
    .option("--bare <host:port>", "punch with a bare datagram and no key, to a relay started with --open")
    .option("--json", "one JSON object a line")
    .addHelpText("after", "\nExample:\n  punchcast watch 'punch://relay.example/live?key=KEY' --player ffplay\n")
    .action(runWatch);
}

async function runWatch(url: string | undefined, flags: Flags): Promise<void> {
  const target = { ...chooseTarget(url, flags.bare), ...(flags.http !== undefined && { http: flags.http }) };
  const sdp = flags.sdp === undefined ? undefined : readSdp(await loadSdpText(flags.sdp));
  if (flags.player !== "none" && sdp === undefined && target.http === "none") {
    throw new PunchcastError(
      "BAD_OPTION",
      `${flags.player} needs to know the stream's codecs: give the sender's SDP with --sdp.`,
    );
  }
  const output = createOutput<WatchEvent>({ json: flags.json ?? false, render: createWatchRenderer() });
  const stop = listenForStop(flags.duration);
  const options: WatchOptions = {
    target,
    signal: stop.signal,
    onEvent: output.tell,
    ...(flags.components && { components: flags.components }),
    ...(flags.port !== undefined && { port: flags.port }),
    ...(sdp && { sdp }),
    ...(flags.sdpOut !== undefined && { sdpOut: flags.sdpOut }),
  };
  try {
    const running = await watch(options);
    try {
      const reason = await untilEnd(running, flags.player, stop.stopped);
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

async function untilEnd(
  running: Watch,
  name: PlayerName | "none",
  stopped: Promise<StopReason>,
): Promise<(WatchEvent & { event: "ended" })["reason"]> {
  const refused = running.ended.then(() => "stopped" as const);
  if (name === "none") return Promise.race([stopped, refused]);
  const first = await Promise.race([stopped, refused, running.described.then((sdp) => ({ sdp }))]);
  if (typeof first === "string") return first;
  const player = await startPlayer(name, first.sdp);
  try {
    return await Promise.race([stopped, refused, player.closed.then(() => "player-closed" as const)]);
  } finally {
    player.close();
  }
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
