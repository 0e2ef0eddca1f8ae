import { decoded, malformed } from "../core/result.ts";
import { probeEbpf } from "../data-plane/ebpf/probe.ts";
import type { Fact } from "./facts.ts";

/** Tries what the ebpf plane needs, as its own start does, and leaves nothing behind. */
export async function tryEbpfPlane(): Promise<Fact<true>> {
  const obstacle = await probeEbpf();
  return obstacle === undefined ? decoded(true) : malformed(obstacle.message);
}
