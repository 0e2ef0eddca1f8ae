import { Command } from "commander";
import { send } from "../../send/send.ts";
import type { SendEvent } from "../../send/send-events.ts";
import { integer } from "../option-parsers.ts";
import { createOutput } from "../output.ts";
import { createSendRenderer } from "../render-send.ts";
import { listenForStop } from "../until-stopped.ts";

interface Flags {
  readonly loop?: boolean;
  readonly mtu?: number;
  readonly sdp?: string;
  readonly json?: boolean;
}

/** `punchcast send`. */
export function sendCommand(): Command {
  return new Command("send")
    .description("Send an MP4 file (H.264, H.265, AAC, Opus) in real time to a relay, or as plain RTP.")
    .argument("<file>", "MP4 file")
    .argument("<target>", "punch://HOST[:9000]/STREAM?key=KEY with the publish key, or rtp://HOST:PORT")
    .option("--loop", "from the start again at the end")
    .option("--mtu <bytes>", "largest UDP payload (default: 1400)", integer(200, 65_507))
    .option("--sdp <file>", "write the stream's SDP here, for viewers")
    .option("--json", "one JSON object a line")
    .addHelpText(
      "after",
      "\nExample:\n  punchcast send film.mp4 'punch://relay.example/live?key=KEY' --loop --sdp live.sdp\n",
    )
    .action(runSend);
}

async function runSend(file: string, target: string, flags: Flags): Promise<void> {
  const output = createOutput<SendEvent>({ json: flags.json ?? false, render: createSendRenderer() });
  const stop = listenForStop();
  try {
    const sending = await send({
      ...{ file, target, signal: stop.signal, onEvent: output.tell },
      ...(flags.loop !== undefined && { loop: flags.loop }),
      ...(flags.mtu !== undefined && { mtu: flags.mtu }),
      ...(flags.sdp !== undefined && { sdpPath: flags.sdp }),
    });
    try {
      await Promise.race([sending.ended, stop.stopped]);
    } finally {
      output.end();
      await sending.close();
    }
  } catch (error) {
    // Stopped while still waiting for the relay: nothing has been sent.
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
    output.end();
    output.tell({ event: "ended" });
  } finally {
    stop.release();
  }
}
