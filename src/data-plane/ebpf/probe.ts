import { constants } from "node:fs";
import { access, statfs } from "node:fs/promises";
import { PunchcastError } from "../../core/errors.ts";
import { isInstalled } from "../nat/run-tool.ts";
import { findWay, ingressInterfaces } from "./attach.ts";
import { openKernel } from "./bpf-syscall.ts";
import { forwardingPaths } from "./forwarding-switch.ts";
import { openMaps } from "./maps.ts";
import { bpfFileSystem } from "./pins.ts";
import { loadProgram } from "./program.ts";

/**
 * Tries what the ebpf plane needs, and leaves nothing behind: the kernel's verifier, the rights, an interface, a place to pin.
 * @returns why it cannot be had here, with the remedy; `undefined` if it can
 */
export async function probeEbpf(): Promise<PunchcastError | undefined> {
  try {
    const kernel = await openKernel();
    const maps = openMaps(kernel);
    try {
      const program = await loadProgram(kernel, (name) => maps.fds.get(name));
      const way = findWay(kernel, program);
      kernel.closeFd(program);
      if (way === "clsact" && !(await isInstalled("tc"))) {
        return new PunchcastError("TOOL_MISSING", "Kernels before 6.6 need tc for the ebpf plane: install iproute2.");
      }
    } finally {
      maps.close();
    }
    if ((await ingressInterfaces(kernel)).length === 0) {
      return new PunchcastError(
        "UNSUPPORTED_HOST",
        "The ebpf plane needs an Ethernet interface that is up, and there is none.",
      );
    }
    await Promise.all(forwardingPaths.map(writable));
    if ((await statfs(bpfFileSystem)).type !== 0xcafe4a11 && process.getuid?.() !== 0) {
      return new PunchcastError(
        "NO_PRIVILEGE",
        `There is no BPF file system: run "mount -t bpf bpf ${bpfFileSystem}" as root.`,
      );
    }
    return undefined;
  } catch (error) {
    if (error instanceof PunchcastError) return error;
    return new PunchcastError(
      "UNSUPPORTED_HOST",
      `The ebpf plane cannot be had here (${error}): take --plane userspace.`,
      error,
    );
  }
}

async function writable(path: string): Promise<void> {
  try {
    await access(path, constants.W_OK);
  } catch (cause) {
    // Without IPv6 there is no such file.
    if ((await access(path).catch(() => cause)) === cause) return;
    throw new PunchcastError(
      "NO_PRIVILEGE",
      `The ebpf plane may not write ${path}: run as root, in a container with --privileged.`,
      cause,
    );
  }
}
