import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { type Contender, firstPort, lastPort, type Running } from "../contenders/contender.ts";
import { cpuSecondsOf, residentMiBOf } from "../harness/cpu.ts";
import type { CpuMeter } from "../harness/cpu-meter.ts";
import { type DropCounter, setDeviceCuts } from "../harness/drop-counter.ts";
import {
  endChild,
  lineReader,
  type Programs,
  type Sink,
  type Source,
  startSink,
  startSource,
} from "../harness/load.ts";
import type { BenchNetwork } from "../harness/network.ts";
import type { LoadCase } from "../report/results.ts";

/** What every session stands on. */
export interface Stage {
  readonly network: BenchNetwork;
  readonly programs: Programs;
  readonly counter: DropCounter;
  readonly cpu: CpuMeter;
}

/** A contender at work with its source and all its viewers: the last one reads, the others' packets are counted and dropped. */
export interface Session {
  readonly stage: Stage;
  readonly contender: Contender;
  readonly viewers: number;
  readonly running: Running;
  readonly source: Source;
  readonly sink: Sink;
  /** CPU seconds per second that the machine uses without load. */
  readonly idle: number;
  close(): Promise<void>;
}

/** Starts a contender, opens its holes and lets it run warm. */
export async function openSession(stage: Stage, contender: Contender, viewers: number): Promise<Session> {
  const { network, programs } = stage;
  const { punch, target, turn } = contender;
  await setDeviceCuts(network, contender.deviceCuts ?? false);
  const closing: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closing.reverse()) await end();
  };
  try {
    const running = await contender.start(network, viewers);
    closing.push(() => running.stop());
    if (punch !== undefined && viewers > 1) {
      const args = [firstPort(viewers), viewers - 1, punch.address, punch.port].map(String);
      const punching = network.spawn("sink", programs.load, ["punch", ...args]);
      closing.push(() => endChild(punching));
      await punchedTwice(punching);
    }
    const sink = await startSink(network, programs, lastPort, punch, turn);
    closing.push(() => sink.stop());
    const source = await startSource(network, programs, target);
    closing.push(() => source.stop());
    await delay(100);
    // Programs that compile what they run often have done so after 60,000 packets, as a relay has that runs for hours. A crowd
    // gets fewer, so that nothing of it is still waiting when the machine's noise is measured.
    const [rate, burst, seconds] = viewers === 1 ? [20_000, 10, 3] : [200, 1, 1];
    const { sent } = await source.send({ packetsPerSecond: rate, burst, bytes: 1_200 }, seconds);
    await drained(sink, sent);
    const idle = await stage.cpu.idleLoad(0.8);
    return { stage, contender, viewers, running, source, sink, idle, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** One measured run. `lost` counts packets that no viewer got; a share of them may still be due when it ends. */
export async function measure(session: Session, load: LoadCase): Promise<Record<string, number>> {
  const { stage, source, sink, idle, viewers } = session;
  await sink.reset();
  const warm = await source.send(load, 0.25);
  await drained(sink, warm.sent);
  const hiddenBefore = await stage.counter.packets(load.bytes);
  await sink.reset();
  const processBefore = processSeconds(session);
  const stretch = await stage.cpu.start();
  const { sent, seconds } = await source.send(load, load.seconds);
  await drained(sink, sent);
  const { busy, elapsed } = await stretch.end();
  const own = processSeconds(session) - processBefore;
  const { received, ...delays } = await sink.reset();
  const delivered = (await stage.counter.packets(load.bytes)) - hiddenBefore + received;
  return {
    ...{ sent, seconds, delivered, lost: sent * viewers - delivered, ...delays },
    cpuSeconds: busy - idle * elapsed,
    idleShare: idle,
    ...(session.running.process !== undefined && {
      processSeconds: own,
      residentMiB: residentMiBOf(session.running.process.pid ?? 0),
    }),
  };
}

/** Until the last viewer has it all, or has got nothing more for 500 ms; 8 s at most. */
async function drained(sink: Sink, sent: number): Promise<void> {
  let [before, still] = [-1, 0];
  for (let patience = 80; patience > 0 && still < 5; patience -= 1) {
    const { received } = await sink.read();
    if (received >= sent) return;
    still = received === before ? still + 1 : 0;
    before = received;
    await delay(100);
  }
}

function processSeconds({ running }: Session): number {
  return running.process?.pid === undefined ? 0 : cpuSecondsOf(running.process.pid);
}

async function punchedTwice(punching: ChildProcess): Promise<void> {
  const nextLine = lineReader(punching);
  await nextLine();
  await nextLine();
  await delay(200);
}
