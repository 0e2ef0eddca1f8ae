import { join } from "node:path";
import { PunchcastError } from "../../core/errors.ts";
import { type Attachments, type AttachWay, createAttachments, detachClassifiers, findWay } from "./attach.ts";
import { type Kernel, openKernel } from "./bpf-syscall.ts";
import { allowLookups, disallowLookups } from "./forwarding-switch.ts";
import { configOffsets, layoutVersion } from "./layout.ts";
import { mapNames, openMaps, openPinned, type PlaneMaps, pin } from "./maps.ts";
import { hasPins, makePinFolder, pinFolder, removePins, unpin } from "./pins.ts";
import { loadProgram } from "./program.ts";

/** What the plane has in the kernel, ready to be filled; nothing is attached yet. */
export interface KernelSide {
  readonly kernel: Kernel;
  readonly maps: PlaneMaps;
  /** The loaded program. */
  readonly program: number;
  readonly attachments: Attachments;
  /** The words of `config`. */
  readonly config: BigUint64Array;
  /** True if an earlier relay's maps were taken over. */
  readonly adopted: boolean;
  /** Detaches, unpins and closes everything. */
  remove(): Promise<void>;
}

const programName = "program";

/**
 * Takes over what an earlier relay pinned, as far as it has this layout, or makes everything anew.
 * @param way forces a way to attach; default: what the kernel has
 * @throws PunchcastError NO_PRIVILEGE, UNSUPPORTED_HOST, TOOL_FAILED; then nothing new is left behind
 */
export async function openKernelSide(way?: AttachWay): Promise<KernelSide> {
  const kernel = await openKernel();
  const folder = await makePinFolder(kernel);
  const pinned = await adoptMaps(kernel, folder);
  let maps: PlaneMaps | undefined = pinned;
  let program = -1;
  try {
    maps ??= openMaps(kernel);
    const { fds } = maps;
    program = await loadProgram(kernel, (name) => fds.get(name));
    const config = new BigUint64Array(maps.memory("config"));
    config[configOffsets.version / 8] = BigInt(layoutVersion);
    config[configOffsets.switches / 8] = (config[configOffsets.switches / 8] ?? 0n) | (await allowLookups());
    if (pinned === undefined) for (const [name, fd] of fds) orThrow(pin(kernel, fd, join(folder, name)), name);
    await unpin(folder, programName);
    orThrow(pin(kernel, program, join(folder, programName)), programName);
    return assemble(kernel, maps, program, folder, way ?? findWay(kernel, program), pinned !== undefined);
  } catch (error) {
    if (program >= 0) kernel.closeFd(program);
    if (pinned === undefined && maps !== undefined) {
      await disallowLookups(new BigUint64Array(maps.memory("config"))[configOffsets.switches / 8] ?? 0n);
      await removePins(folder);
    }
    maps?.close();
    throw error;
  }
}

function assemble(
  kernel: Kernel,
  maps: PlaneMaps,
  program: number,
  folder: string,
  way: AttachWay,
  adopted: boolean,
): KernelSide {
  const attachments = createAttachments(kernel, { program, programPath: join(folder, programName), folder, way });
  const config = new BigUint64Array(maps.memory("config"));
  return {
    kernel,
    maps,
    program,
    attachments,
    config,
    adopted,
    async remove() {
      await attachments.detach();
      const changed = config[configOffsets.switches / 8] ?? 0n;
      await removePins(folder);
      kernel.closeFd(program);
      maps.close();
      await disallowLookups(changed);
    },
  };
}

async function adoptMaps(kernel: Kernel, folder: string): Promise<PlaneMaps | undefined> {
  const fds = new Map<string, number>();
  for (const name of mapNames) {
    const fd = openPinned(kernel, join(folder, name));
    if (fd !== undefined) fds.set(name, fd);
  }
  if (fds.size === 0) return undefined;
  if (fds.size === mapNames.length) {
    const maps = openMaps(kernel, fds);
    if (new BigUint64Array(maps.memory("config"))[configOffsets.version / 8] === BigInt(layoutVersion)) return maps;
    maps.close();
  } else for (const fd of fds.values()) kernel.closeFd(fd);
  // Another version's: it cannot be gone on with.
  await detachClassifiers(kernel, folder);
  await removePins(folder);
  await makePinFolder(kernel);
  return undefined;
}

/** Removes everything that a relay left in this network namespace; says what there was. */
export async function removeKernelSide(): Promise<string[]> {
  const folder = await pinFolder();
  if (!(await hasPins(folder))) return [];
  const kernel = await openKernel();
  const fd = openPinned(kernel, join(folder, "config"));
  let changed = 0n;
  if (fd !== undefined) {
    const memory = kernel.map(fd, 64);
    changed = new BigUint64Array(memory)[configOffsets.switches / 8] ?? 0n;
    kernel.unmap(memory);
    kernel.closeFd(fd);
  }
  await detachClassifiers(kernel, folder);
  const names = await removePins(folder);
  await disallowLookups(changed);
  const links = names.filter((name) => name.startsWith("link-")).length;
  return [`the eBPF program, ${names.length - links - 1} maps and ${links} links pinned in ${folder}`];
}

function orThrow(result: number, name: string): void {
  if (result >= 0) return;
  throw new PunchcastError(
    "NO_PRIVILEGE",
    `The ebpf plane may not pin its ${name} (error ${-result}): run as root or with CAP_BPF and CAP_NET_ADMIN.`,
  );
}
