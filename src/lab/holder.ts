import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { PunchcastError } from "../core/errors.ts";

/** What a command left behind when it succeeded. */
export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** How a command that is waited for is run. */
export interface RunOptions {
  /** After this long the command is killed and the call fails; default 10,000. */
  readonly timeoutMs?: number;
  /** Text for the command's standard input; default none. */
  readonly input?: string;
}

/**
 * The process that owns a lab's namespaces. It is the first of a process namespace and lives until its standard input
 * ends: with this process, however that dies, it goes too, and the kernel takes everything it owned with it.
 */
export interface Holder {
  /** Starts `command` in the network namespace of `node` (default the holder's own); `kill` reaches the command itself. */
  spawn(node: string | undefined, command: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Waits for `command`. Throws `TOOL_FAILED` with the end of its error output if it fails or takes too long. */
  run(node: string | undefined, command: string, args: readonly string[], options?: RunOptions): Promise<CommandOutput>;
  /** Ends everything within 2 s; may be called again. */
  close(): Promise<void>;
}

/*
 * A file system over /run gives `ip netns` a place of its own and xtables its lock, without the right to write there and
 * without traces on the host; what was in /run (a desktop's sockets, say) stays reachable through links. The holder's
 * process id must be read before /proc shows only the new namespace. A pinned eBPF object would outlive the lab if it
 * were pinned in the host's file system; only root may mount another.
 */
const preamble = `set -e
read -r pid rest </proc/self/stat
mount -t proc proc /proc
cd /run
mount -t tmpfs lab /run
mkdir /run/netns /run/.host
mount --no-canonicalize --rbind . /run/.host
for entry in /run/.host/*; do test -e "/run/\${entry##*/}" || ln -s "$entry" /run/; done
mount -t bpf bpf /sys/fs/bpf 2>/dev/null || true
cd /
echo "$pid"
exec cat`;

/** Starts a holder. As root without a user namespace, because eBPF needs rights in the host's. */
export async function startHolder(): Promise<Holder> {
  const rootless = process.getuid?.() !== 0;
  const namespaces = [...(rootless ? ["--user", "--map-root-user"] : []), "--net", "--mount", "--pid"];
  const args = [...namespaces, "--fork", "--kill-child", "sh", "-c", preamble];
  // A session of its own keeps the terminal's Ctrl-C from ending the lab before the driver has closed what runs in it.
  const unshare = spawn("unshare", args, { env: toolEnvironment(), detached: true });
  const pid = await readPid(unshare);
  const children = new Set<ChildProcess>();
  const entry = ["--target", pid, ...(rootless ? ["--user", "--preserve-credentials"] : []), "--mount", "--pid"];

  const spawnIn: Holder["spawn"] = (node, command, commandArgs, options = {}) => {
    const net = node === undefined ? "--net" : `--net=/proc/${pid}/root/run/netns/${node}`;
    const guard = ["setpriv", "--pdeathsig", "KILL", "env", `--chdir=${options.cwd ?? process.cwd()}`];
    const child = spawn("nsenter", [...entry, net, ...guard, command, ...commandArgs], {
      ...options,
      env: toolEnvironment(options.env),
    });
    children.add(child);
    child.once("close", () => children.delete(child));
    return killingTheCommand(child);
  };
  return {
    spawn: spawnIn,
    run: (node, command, commandArgs, options = {}) =>
      collect(spawnIn(node, command, commandArgs, { timeout: options.timeoutMs ?? 10_000 }), command, options.input),
    close: async () => {
      const gone = [unshare, ...children].map(untilGone);
      unshare.ref();
      unshare.stdin?.end();
      const impatience = setTimeout(() => unshare.kill("SIGKILL"), 1500);
      await Promise.all(gone);
      clearTimeout(impatience);
    },
  };
}

/** The environment with the folders of system tools in PATH: Debian leaves them out for people other than root. */
export function toolEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const { PATH = "/usr/bin:/bin" } = env;
  return { ...env, PATH: `${PATH}:/usr/sbin:/sbin` };
}

async function readPid(unshare: ChildProcess): Promise<string> {
  let stdout = "";
  let stderr = "";
  unshare.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  await new Promise<void>((resolve, reject) => {
    unshare.stdout?.on("data", (chunk) => {
      stdout += chunk;
      if (stdout.includes("\n")) resolve();
    });
    unshare.once("error", reject);
    unshare.once("close", () => reject(new Error(stderr.trim() || "unshare ended without a word")));
  });
  // A driver that forgets the lab may still end; the lab then ends with it.
  unshare.unref();
  for (const stream of [unshare.stdin, unshare.stdout, unshare.stderr]) unrefStream(stream);
  return stdout.trim();
}

function unrefStream(stream: unknown): void {
  if (typeof stream === "object" && stream !== null && "unref" in stream && typeof stream.unref === "function") {
    stream.unref();
  }
}

/**
 * Entering a process namespace takes a fork, so `child` is only nsenter, waiting for the command. Signals go past it to
 * the command; nsenter then ends the way the command did. If there is no command yet, ending nsenter prevents it.
 */
function killingTheCommand(child: ChildProcess): ChildProcess {
  const killNsenter = child.kill.bind(child);
  child.kill = (signal = "SIGTERM") => {
    const pid = commandPid(child);
    if (pid === undefined) return killNsenter(signal);
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  };
  return child;
}

function commandPid(child: ChildProcess): number | undefined {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return undefined;
  try {
    const [pid] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").split(" ");
    return pid ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

async function collect(child: ChildProcess, command: string, input: string | undefined): Promise<CommandOutput> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    stderr += chunk;
  });
  // A command that ends without reading its input is no failure by itself.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input);
  const [code, signal] = await once(child, "close");
  if (code === 0) return { stdout, stderr };
  const end = stderr.trim().split("\n").slice(-3).join(" / ");
  throw new PunchcastError(
    "TOOL_FAILED",
    `In the lab, ${command} ended with ${signal ?? `code ${code}`}: ${end || "it said nothing"}.`,
  );
}

async function untilGone(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) await once(child, "exit");
}
