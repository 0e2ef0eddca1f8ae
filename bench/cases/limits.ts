import { setTimeout as delay } from "node:timers/promises";
import { lineReader, startSource } from "../harness/load.ts";
import { addresses } from "../harness/network.ts";
import type { Session, Stage } from "./session.ts";

const load = { burst: 25, bytes: 1_200 };
/** A trial's length: long enough for the largest buffer (4 MB hold some 1,800 packets) to matter little. */
const trialSeconds = 0.7;
const toleratedLoss = 0.001;

/** What the generator can do by itself: its packets are dropped at the relay's device. */
export async function measureGenerator({ network, programs, cpu }: Stage): Promise<Record<string, number>> {
  const source = await startSource(network, programs, { address: addresses.relayIngest, port: 9 });
  const most = await source.send({ ...load, packetsPerSecond: 5_000_000 }, 0.3);
  const stretch = await cpu.start();
  const steady = await source.send({ ...load, packetsPerSecond: 50_000 }, 2);
  const { busy } = await stretch.end();
  await source.stop();
  return {
    mostPacketsPerSecond: most.sent / most.seconds,
    usPerPacket: (busy * 1e6) / steady.sent,
    heldRate: steady.sent / steady.seconds / 50_000,
  };
}

/**
 * The highest rate in bursts of 25 that loses at most 0.1 %, by halving the range (in logarithms) between 5,000 packets a
 * second and what the generator reaches. Packets are counted at the viewer's device, so that no sink is in the way.
 */
export async function highestRate(session: Session, most: number): Promise<Record<string, number>> {
  const { counter } = session.stage;
  await counter.dropAll(true);
  let [held, low, high] = [0, 5_000, most];
  try {
    for (let trial = 0; trial < 7; trial += 1) {
      const rate = Math.sqrt(low * high);
      const before = await counter.packets(load.bytes);
      const { sent, seconds } = await session.source.send({ ...load, packetsPerSecond: rate }, trialSeconds);
      await delay(150);
      const delivered = (await counter.packets(load.bytes)) - before;
      const kept = delivered >= sent * (1 - toleratedLoss);
      const reached = sent / seconds;
      if (kept) held = Math.max(held, reached);
      // A generator that falls behind has shown what it can do on the relay's way.
      if (kept && reached > rate * 0.97) low = rate;
      else high = rate;
    }
  } finally {
    await counter.dropAll(false);
  }
  return { packetsPerSecond: held };
}

/** How long after its punch a bare viewer gets its first packet, of a stream with one every 0.2 ms. */
export async function joinTimes(session: Session, viewers: number): Promise<Record<string, number> | undefined> {
  const { contender, stage, source } = session;
  if (contender.punch === undefined || contender.mostViewers === 1 || contender.turn) return undefined;
  const sending = source.send({ packetsPerSecond: 5_000, burst: 1, bytes: 1_200 }, 1.5);
  await delay(300);
  const args = [6_000, viewers, contender.punch.address, contender.punch.port].map(String);
  const { joined, p50, most } = JSON.parse(
    await lineReader(stage.network.spawn("sink", stage.programs.load, ["join", ...args]))(),
  );
  await sending;
  return { joined, failed: viewers - joined, p50Ms: p50 / 1e6, mostMs: most / 1e6 };
}
