import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { PunchcastError } from "../../core/errors.ts";
import { bpfCommands, errno, type Kernel } from "./bpf-syscall.ts";
import { openPinned, pin } from "./maps.ts";
import { pinnedNames, unpin } from "./pins.ts";

/** How the program hangs at an interface: a link that the kernel keeps (6.6 and newer), or a classifier that `tc` puts there. */
export type AttachWay = "tcx" | "clsact";

/** BPF_TCX_INGRESS. */
const tcxIngress = 46;
/** A place of its own among the classifiers, `punc` read as a number modulo what a priority can be. */
const clsact = { priority: "9099", handle: "1" } as const;
const run = promisify(execFile);

/** Interfaces that packets for the host's addresses come in at, with Ethernet headers; loopback is not one of them. */
export async function ingressInterfaces(kernel: Kernel): Promise<{ readonly name: string; readonly index: number }[]> {
  const names = Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.some(({ internal }) => !internal) ? [name] : [],
  );
  const found: { name: string; index: number }[] = [];
  for (const name of names) {
    const details = kernel.interface(name);
    if (details === undefined) continue;
    const { index, isEthernet, isBondPort } = details;
    // A bridge's or bond's port shows its frames again on the bridge or bond.
    if (isEthernet && !isBondPort && !(await isBridgePort(name, index))) found.push({ name, index });
  }
  return found;
}

/** /sys may show another namespace's interfaces: it counts if it means the same one. */
async function isBridgePort(name: string, index: number): Promise<boolean> {
  const read = (file: string): Promise<string> => readFile(`/sys/class/net/${name}/${file}`, "utf8").catch(() => "");
  return Number(await read("ifindex")) === index && (await read("brport/port_id")) !== "";
}

/** The plane's program at the host's interfaces. */
export interface Attachments {
  /** Which way was taken. */
  readonly way: AttachWay;
  /** Hangs the program at interfaces that are new; what hangs there already runs on, with `program` in place of an older one. */
  follow(): Promise<void>;
  /** The interfaces it hangs at. */
  names(): readonly string[];
  detach(): Promise<void>;
}

/** Prepares to attach `program`, which `programPath` pins. Nothing happens before `follow`. */
export function createAttachments(
  kernel: Kernel,
  { program, programPath, folder, way }: { program: number; programPath: string; folder: string; way: AttachWay },
): Attachments {
  const attached = new Map<string, number>();

  async function attachTcx(name: string, index: number): Promise<void> {
    const path = join(folder, linkName(name, index));
    const old = openPinned(kernel, path);
    if (old !== undefined) {
      // In one step: there is no moment without a program.
      const result = kernel.bpf(bpfCommands.updateLink, [
        [0, old],
        [4, program],
      ]);
      kernel.closeFd(old);
      if (result === 0) return;
      // The link of an interface that is gone.
      await unpin(folder, linkName(name, index));
    }
    const link = kernel.bpf(bpfCommands.createLink, [
      [0, program],
      [4, index],
      [8, tcxIngress],
    ]);
    if (link < 0) throw notAttached(name, `error ${-link}`);
    const pinned = pin(kernel, link, path);
    kernel.closeFd(link);
    if (pinned < 0) throw notAttached(name, `its link could not be pinned, error ${-pinned}`);
  }

  async function attachClassifier(name: string): Promise<void> {
    await tc(["qdisc", "add", "dev", name, "clsact"]).catch(() => {});
    try {
      await tc([
        ...["filter", "replace", "dev", name, "ingress", "prio", clsact.priority, "handle", clsact.handle],
        ...["bpf", "direct-action", "object-pinned", programPath],
      ]);
    } catch (error) {
      throw notAttached(name, error instanceof Error ? error.message : String(error), error);
    }
  }

  return {
    way,
    names: () => [...attached.keys()],
    async follow() {
      const present = await ingressInterfaces(kernel);
      for (const { name, index } of present) {
        if (attached.get(name) === index) continue;
        await (way === "tcx" ? attachTcx(name, index) : attachClassifier(name));
        attached.set(name, index);
      }
      for (const [name, index] of attached) {
        if (present.some((now) => now.name === name && now.index === index)) continue;
        attached.delete(name);
        await unpin(folder, linkName(name, index));
        if (way === "clsact") await detachClassifier(name);
      }
    },
    async detach() {
      for (const [name, index] of attached) {
        await unpin(folder, linkName(name, index));
        if (way === "clsact") await detachClassifier(name);
      }
      attached.clear();
    },
  };
}

/** Removes the classifiers that a plane left at any interface of this host; what else hangs at them stays. */
export async function detachClassifiers(kernel: Kernel, folder: string): Promise<void> {
  const names = await pinnedNames(folder);
  // Links need no tool; without any, `tc` must have been used.
  if (names.length === 0 || names.some((name) => name.startsWith("link-"))) return;
  for (const { name } of await ingressInterfaces(kernel)) await detachClassifier(name);
}

async function detachClassifier(name: string): Promise<void> {
  await tc(["filter", "del", "dev", name, "ingress", "prio", clsact.priority]).catch(() => {});
  const left = await tc(["filter", "show", "dev", name, "ingress"]).catch(() => "?");
  const more = await tc(["filter", "show", "dev", name, "egress"]).catch(() => "?");
  if (`${left}${more}`.trim() === "") await tc(["qdisc", "del", "dev", name, "clsact"]).catch(() => {});
}

async function tc(args: readonly string[]): Promise<string> {
  const { PATH = "/usr/bin:/bin" } = process.env;
  const { stdout } = await run("tc", args, {
    env: { ...process.env, PATH: `${PATH}:/usr/sbin:/sbin` },
    timeout: 10_000,
  });
  return stdout;
}

/** Tries which way this kernel has: an interface that cannot be there tells "no such interface" from "no such thing". */
export function findWay(kernel: Kernel, program: number): AttachWay {
  const link = kernel.bpf(bpfCommands.createLink, [
    [0, program],
    [4, 0x7fff_fffe],
    [8, tcxIngress],
  ]);
  if (link >= 0) kernel.closeFd(link);
  return -link === errno.noDevice ? "tcx" : "clsact";
}

function linkName(name: string, index: number): string {
  return `link-${index}-${name.replaceAll(".", "_")}`;
}

function notAttached(name: string, why: string, cause?: unknown): PunchcastError {
  return new PunchcastError(
    "TOOL_FAILED",
    `The ebpf plane could not be attached to ${name} (${why}): take --plane userspace, or install iproute2 for kernels before 6.6.`,
    cause,
  );
}
