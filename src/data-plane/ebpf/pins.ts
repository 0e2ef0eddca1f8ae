import { mkdir, readdir, readlink, rm, rmdir, stat, statfs, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PunchcastError } from "../../core/errors.ts";
import type { Kernel } from "./bpf-syscall.ts";

/** Where the BPF file system is by custom. */
export const bpfFileSystem = "/sys/fs/bpf";
/** BPF_FS_MAGIC of <linux/magic.h>. */
const bpfMagic = 0xcafe4a11;

/**
 * Where this network namespace's program, maps and links are pinned, `/sys/fs/bpf/punchcast/<namespace>`. Interfaces belong
 * to a namespace while the file system is often shared: two containers' relays must not take each other's for their own.
 */
export async function pinFolder(): Promise<string> {
  const namespace = /\d+/.exec(await readlink("/proc/self/ns/net"))?.[0] ?? "0";
  return join(bpfFileSystem, "punchcast", namespace);
}

/**
 * Makes the folder, and mounts the file system if it is missing.
 * @throws PunchcastError NO_PRIVILEGE, UNSUPPORTED_HOST
 */
export async function makePinFolder(kernel: Kernel): Promise<string> {
  const folder = await pinFolder();
  if ((await statfs(bpfFileSystem).catch(() => undefined))?.type !== bpfMagic) {
    const result = kernel.mountBpf(bpfFileSystem);
    if (result < 0) {
      throw new PunchcastError(
        "NO_PRIVILEGE",
        `There is no BPF file system at ${bpfFileSystem} (error ${-result}): run "mount -t bpf bpf ${bpfFileSystem}" as root.`,
      );
    }
  }
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new PunchcastError(
      "NO_PRIVILEGE",
      `${folder} cannot be made: run as root or give the relay's user ${bpfFileSystem}/punchcast.`,
      cause,
    );
  }
  return folder;
}

/** The names of what is pinned; empty if nothing is. */
export async function pinnedNames(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

/** Unpins one object; the kernel frees what nothing else holds. */
export async function unpin(folder: string, name: string): Promise<void> {
  await unlink(join(folder, name)).catch(() => {});
}

/** Unpins everything of this namespace and removes the folders; says what was there. */
export async function removePins(folder: string): Promise<string[]> {
  const names = await pinnedNames(folder);
  // Links first: what is detached needs its maps no more.
  for (const name of [...names].sort((a, b) => Number(b.startsWith("link-")) - Number(a.startsWith("link-")))) {
    await unpin(folder, name);
  }
  await rm(folder, { recursive: true, force: true }).catch(() => {});
  await rmdir(folder).catch(() => {});
  await rmdir(dirname(folder)).catch(() => {});
  return names;
}

/** True if the folder is there. */
export async function hasPins(folder: string): Promise<boolean> {
  return (await stat(folder).catch(() => undefined)) !== undefined;
}
