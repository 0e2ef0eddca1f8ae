import { once } from "node:events";
import { Command } from "commander";
import { scheduleEvery, systemClock } from "../../core/clock.ts";
import { createLab, type Lab } from "../../lab/lab.ts";
import { seedScene } from "../../lab/seed-scene.ts";
import { sampleClipPath } from "../../send/sample.ts";
import { routerOptions, uplinkOf } from "../lab-options.ts";
import { type LabEvent, type RunningScene, runScene } from "../lab-scene.ts";
import { integer, seconds } from "../option-parsers.ts";
import { createOutput, type Output } from "../output.ts";
import { createLabRenderer } from "../render-lab.ts";
import { listenForStop } from "../until-stopped.ts";

interface Flags {
  readonly viewers: number;
  readonly file?: string;
  readonly shell?: string;
  readonly duration?: number;
  readonly json?: boolean;
  readonly [router: string]: unknown;
}

/** `punchcast lab`. */
export function labCommand(): Command {
  const command = new Command("lab")
    .description(
      "Run sender, relay and viewers on this Linux machine, behind real kernel NATs in network namespaces; no root needed.",
    )
    .option("--viewers <count>", "viewers, each behind a router of its own", integer(1, 201), 1)
    .option("--file <file>", "MP4 file to send instead of the bundled clip")
    .option("--shell <host>", "open a shell in a host (C1, S1, relay, …) while the scene runs")
    .option("--duration <seconds>", "end after this long (default: on Ctrl-C)", seconds)
    .option("--json", "one JSON object a line, each with the host that tells it");
  for (const option of [...routerOptions("client"), ...routerOptions("streamer")]) command.addOption(option);
  return command
    .addHelpText(
      "after",
      "\nExample:\n  punchcast lab --client-mapping address-and-port-dependent --client-ports random\n",
    )
    .action(runLab);
}

async function runLab(flags: Flags): Promise<void> {
  const client = uplinkOf(flags, "client");
  const moreViewers = Array.from({ length: flags.viewers - 1 }, () => client);
  const lab = await createLab(seedScene({ client, streamer: uplinkOf(flags, "streamer"), moreViewers }));
  const output = createOutput<LabEvent>({ json: flags.json ?? false, render: createLabRenderer() });
  const stop = listenForStop(flags.duration);
  try {
    const viewers = lab.scene.hosts.map(({ name }) => name).filter((name) => name.startsWith("C"));
    const isShell = flags.shell !== undefined;
    if (flags.shell !== undefined) lab.host(flags.shell);
    const scene = await runScene(lab, flags.file ?? sampleClipPath(), viewers, isShell ? () => {} : output.tell);
    try {
      if (flags.shell === undefined) await showUntil(scene, stop.stopped, output);
      else await openShell(lab, flags.shell, scene);
    } finally {
      output.end();
      await scene.stop();
    }
  } finally {
    await lab.close();
    stop.release();
  }
}

async function showUntil(scene: RunningScene, stopped: Promise<unknown>, output: Output<LabEvent>): Promise<void> {
  output.say(
    `Relay 10.10.10.197 is at work. Watch from a host of the lab: punchcast watch '${scene.watchUrl}' --sdp ${scene.sdpPath}\n`,
  );
  const failed = Promise.withResolvers<void>();
  const look = (): void => {
    scene.readRouters().then((routers) => output.tell({ event: "nat", host: "lab", routers }), failed.reject);
  };
  const stopLooking = scheduleEvery(systemClock, 1_000, look);
  try {
    await Promise.race([stopped, failed.promise]);
  } finally {
    stopLooking();
  }
}

/** A shell with the terminal in its hands, and the addresses in its environment. */
async function openShell(lab: Lab, host: string, scene: RunningScene): Promise<void> {
  process.stdout.write(
    `A shell on ${host}; the stream is $PUNCHCAST_URL, its SDP $PUNCHCAST_SDP. Leave with 'exit'.\n`,
  );
  const env = { ...process.env, PUNCHCAST_URL: scene.watchUrl, PUNCHCAST_SDP: scene.sdpPath, PS1: `${host}# ` };
  const shell = lab.host(host).spawn(process.env.SHELL ?? "sh", [], { stdio: "inherit", env });
  await once(shell, "exit");
}
