import { Command } from "commander";
import { newKey } from "../../config/state-file.ts";
import { PunchcastError } from "../../core/errors.ts";
import { defaultPunchPort, parsePunchUrl } from "../../core/punch-url.ts";
import { systemRandom } from "../../core/random.ts";
import type { StreamOptions } from "../../relay/stream.ts";
import { readSdp } from "../../sdp/session.ts";
import { sampleClipPath } from "../../send/sample.ts";
import { send } from "../../send/send.ts";
import type { Relay } from "../../server/relay.ts";
import type { ServerEvent } from "../../server/server-events.ts";
import { findFreePorts } from "../../udp/free-ports.ts";
import { watch } from "../../watch/watch.ts";
import { integer, seconds } from "../option-parsers.ts";
import { createOutput } from "../output.ts";
import { defaultComponents, defaultIngestPort } from "../relay-options.ts";
import { createDemoRenderer, type DemoEvent } from "../render-demo.ts";
import { startRelay } from "../start-relay.ts";
import { listenForStop } from "../until-stopped.ts";

interface Flags {
  readonly duration?: number;
  readonly port?: number;
  readonly json?: boolean;
}

/** Everything of the demo stays on this host. */
const loopback = "127.0.0.1";

/** `punchcast demo`, which is also `npm start`. */
export function demoCommand(): Command {
  return new Command("demo")
    .description("See it work on this machine: a relay, the bundled clip sent to it in a loop, and one viewer.")
    .option("--duration <seconds>", "end after this long (default: on Ctrl-C)", seconds)
    .option("--port <port>", "a player listens here on 127.0.0.1 (default: free ones from 5004 on)", integer(1, 65_535))
    .option("--json", "one JSON object a line, each with the part that tells it")
    .addHelpText("after", "\nExample:\n  punchcast demo --duration 30\n")
    .action(runDemo);
}

async function runDemo(flags: Flags): Promise<void> {
  const output = createOutput<DemoEvent>({ json: flags.json ?? false, render: createDemoRenderer() });
  const stop = listenForStop(flags.duration);
  const closers: (() => Promise<void>)[] = [];
  try {
    const relay = await startDemoRelay((event) => output.tell({ part: "relay", ...event }));
    closers.push(() => relay.close());
    const [stream] = relay.streams;
    if (stream === undefined) throw new PunchcastError("INTERNAL", "The demo's relay has no stream.");
    const sending = await send({
      file: sampleClipPath(),
      target: stream.publishUrl,
      loop: true,
      signal: stop.signal,
      onEvent: (event) => output.tell({ part: "send", ...event }),
    });
    closers.unshift(() => sending.close());
    const watching = await watch({
      target: parsePunchUrl(stream.watchUrl),
      sdp: readSdp(sending.sdp),
      signal: stop.signal,
      ...(flags.port !== undefined && { port: flags.port }),
      onEvent: (event) => output.tell({ part: "watch", ...event }),
    });
    closers.unshift(() => watching.close());
    await Promise.race([stop.stopped, sending.ended, watching.ended]);
  } catch (error) {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
  } finally {
    output.end();
    for (const close of closers) await close();
    stop.release();
  }
}

/**
 * A relay for the clip and for a stream of the user's own; on the usual ports, so that the lines to paste look familiar,
 * or on others if those are taken.
 */
async function startDemoRelay(onEvent: (event: ServerEvent) => void): Promise<Relay> {
  const clip = demoStream("live", undefined);
  const base = { listen: loopback, onEvent };
  try {
    const streams = [clip, demoStream("mine", defaultIngestPort)];
    return await startRelay({ ...base, punchPort: defaultPunchPort, streams }, {});
  } catch (error) {
    if (!(error instanceof PunchcastError) || error.code !== "PORT_IN_USE") throw error;
    const ingestPort = await findFreePorts(loopback, defaultIngestPort + 10, defaultComponents);
    return startRelay({ ...base, punchPort: 0, streams: [clip, demoStream("mine", ingestPort)] }, { port: 0 });
  }
}

function demoStream(name: string, ingestPort: number | undefined): StreamOptions {
  const keys = { viewKey: newKey(systemRandom), publishKey: newKey(systemRandom) };
  return { name, ingestPort, components: defaultComponents, from: [], ...keys };
}
