import { readFile, writeFile } from "node:fs/promises";
import { PunchcastError } from "../../core/errors.ts";

/*
 * The kernel looks up routes for a BPF program only where the interface that it asks for forwards. The program asks for
 * loopback, as the host itself does when it sends: switching forwarding on there lets no packet through that was not let
 * through before, unlike the switch of a real interface.
 */
const switches = [
  { bit: 1n, path: "/proc/sys/net/ipv4/conf/lo/forwarding" },
  { bit: 2n, path: "/proc/sys/net/ipv6/conf/lo/forwarding" },
] as const;

/** The files that must be writable, or "1" already. */
export const forwardingPaths: readonly string[] = switches.map(({ path }) => path);

/**
 * Switches it on where it is off; returns which switches were changed, to be put back.
 * @throws PunchcastError NO_PRIVILEGE
 */
export async function allowLookups(): Promise<bigint> {
  let changed = 0n;
  for (const { bit, path } of switches) {
    const value = await readFile(path, "utf8").catch(() => "");
    if (value.trim() !== "0") continue;
    try {
      await writeFile(path, "1");
    } catch (cause) {
      throw new PunchcastError(
        "NO_PRIVILEGE",
        `The ebpf plane may not write ${path}: run as root, in a container with --privileged, or set net.ipv4.conf.lo.forwarding=1 and net.ipv6.conf.lo.forwarding=1 yourself.`,
        cause,
      );
    }
    changed |= bit;
  }
  return changed;
}

/** Puts back what `allowLookups` changed. */
export async function disallowLookups(changed: bigint): Promise<void> {
  for (const { bit, path } of switches) if ((changed & bit) !== 0n) await writeFile(path, "0").catch(() => {});
}
