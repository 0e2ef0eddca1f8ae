import type { Contender } from "../contenders/contender.ts";
import type { LoadCase } from "../report/results.ts";
import { measure, openSession, type Stage } from "./session.ts";

/** 4 Mbit/s in frames of 13 packets to 1,000 viewers, for so many seconds, in one go. */
export async function endure(stage: Stage, contender: Contender, seconds: number): Promise<Record<string, number>> {
  const viewers = 1_000;
  const load: LoadCase = {
    ...{ id: "", title: "", viewers, packetsPerSecond: 416, burst: 13, bytes: 1_200 },
    seconds,
  };
  const session = await openSession(stage, contender, viewers);
  try {
    return await measure(session, load);
  } finally {
    await session.close();
  }
}
