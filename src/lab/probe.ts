import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { PunchcastError } from "../core/errors.ts";
import { buildScript } from "./build-script.ts";
import { startHolder, toolEnvironment } from "./holder.ts";
import { seedScene } from "./seed-scene.ts";

/** The programs a lab is made with, and the packages that have them on Debian and its kin. */
const tools: Readonly<Record<string, string>> = {
  ip: "iproute2",
  nft: "nftables",
  unshare: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
};

/** Why no lab can be made here, in one sentence with the remedy; `undefined` if one can. Builds a small one to know. */
export async function probeLab(): Promise<string | undefined> {
  return (await whyNoLab())?.message;
}

/** The same as an error: `UNSUPPORTED_HOST`, `TOOL_MISSING` or `NO_PRIVILEGE`. */
export async function whyNoLab(): Promise<PunchcastError | undefined> {
  if (process.platform !== "linux") {
    return new PunchcastError("UNSUPPORTED_HOST", `The lab needs Linux, not ${process.platform}: use a Linux machine.`);
  }
  for (const [tool, packageName] of Object.entries(tools)) {
    if (await isInstalled(tool)) continue;
    return new PunchcastError(
      "TOOL_MISSING",
      `The lab needs ${tool}: install ${packageName} (apt-get install ${packageName}).`,
    );
  }
  try {
    const holder = await startHolder();
    try {
      await holder.run(undefined, "sh", ["-e"], { input: buildScript(seedScene({ ipv6: false })) });
      await holder.run("router-C1", "nft", ["-j", "list", "ruleset"]);
    } finally {
      await holder.close();
    }
  } catch (error) {
    return refusedBy(error);
  }
  return undefined;
}

function refusedBy(error: unknown): PunchcastError {
  const why = error instanceof Error ? error.message : String(error);
  if (!/not permitted|denied|read-only/i.test(why)) {
    return new PunchcastError(
      "UNSUPPORTED_HOST",
      `This kernel cannot make a lab (${why}): it needs nf_tables, NAT, veth and bridge.`,
      error,
    );
  }
  const remedy =
    process.getuid?.() === 0
      ? "in a container, start that with --privileged"
      : "allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu) or run as root";
  return new PunchcastError("NO_PRIVILEGE", `The lab may not make namespaces here (${why}): ${remedy}.`, error);
}

async function isInstalled(tool: string): Promise<boolean> {
  const { PATH = "" } = toolEnvironment();
  const tries = PATH.split(":").map((folder) => access(join(folder, tool), constants.X_OK));
  return (await Promise.allSettled(tries)).some(({ status }) => status === "fulfilled");
}
