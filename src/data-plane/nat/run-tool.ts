import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { PunchcastError, systemErrorCode } from "../../core/errors.ts";

/** Runs a system tool with `input` on its standard input and gives its standard output. Replaceable in tests. */
export type RunTool = (tool: string, args: readonly string[], input?: string) => Promise<string>;

/** The tools answer within milliseconds; one that hangs (on a lock, on a dying disk) must not hang the relay with it. */
const timeoutMs = 10_000;

/** The packages that have the tools on Debian and its kin. */
const packages: Readonly<Record<string, string>> = { nft: "nftables", conntrack: "conntrack" };

/**
 * Runs a system tool.
 * @throws PunchcastError TOOL_MISSING, NO_PRIVILEGE, or TOOL_FAILED with the first lines of what it complained about
 */
export const runTool: RunTool = (tool, args, input) =>
  new Promise((resolve, reject) => {
    const child = spawn(tool, args, { env: environment(), timeout: timeoutMs, killSignal: "SIGKILL" });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      stderr += text;
    });
    // A tool that ends without reading its input says why on its standard error.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.once("error", (error) => reject(systemErrorCode(error) === "ENOENT" ? missing(tool, error) : error));
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(stdout);
      reject(failure(tool, stderr.trim(), signal ?? `code ${code}`));
    });
  });

/** Why a tool cannot be used, with the remedy. */
export function missing(tool: string, cause?: unknown): PunchcastError {
  const name = packages[tool] ?? "iptables";
  return new PunchcastError(
    "TOOL_MISSING",
    `The nat plane needs ${tool}: install ${name} (sudo apt-get install ${name}), or start with --plane userspace.`,
    cause,
  );
}

function failure(tool: string, said: string, how: string): PunchcastError {
  const brief = said.split("\n").slice(0, 3).join(" / ") || `it ended with ${how}`;
  if (/not permitted|permission denied|must be root/i.test(said)) {
    return new PunchcastError(
      "NO_PRIVILEGE",
      `${tool} may not change this host's network (${brief}): give the relay CAP_NET_ADMIN (systemd: AmbientCapabilities), ` +
        "run it as root, or start with --plane userspace.",
    );
  }
  return new PunchcastError("TOOL_FAILED", `${tool} failed: ${brief}.`);
}

/** True if `tool` can be run. */
export async function isInstalled(tool: string): Promise<boolean> {
  const tries = (environment().PATH ?? "").split(delimiter).map((folder) => access(join(folder, tool), constants.X_OK));
  return (await Promise.allSettled(tries)).some(({ status }) => status === "fulfilled");
}

/** With the folders of system tools in PATH: Debian leaves them out for people other than root. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: "C", PATH: `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` };
}
