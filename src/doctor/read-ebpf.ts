import { probeEbpf } from "../data-plane/ebpf/probe.ts";
import type { Fact } from "./facts.ts";
import { attempt } from "./run-command.ts";

/** Lets the ebpf plane try the kernel, its rights and its interfaces, as `--plane auto` does. */
export function tryEbpfPlane(): Promise<Fact<true>> {
  return attempt(async () => {
    const problem = await probeEbpf();
    if (problem !== undefined) throw problem;
    return true as const;
  });
}
