import { formatEndpoint } from "../core/address.ts";
import { type Check, formatPorts, type RelayNeed } from "./check.ts";
import type { HostFacts, PortFact } from "./facts.ts";
import { readSwitch } from "./kernel-checks.ts";
import { checkQueues } from "./queue-checks.ts";

/** Files that the process has open besides its sockets: Node's own, the state file, tools' pipes. Some 30, and room. */
const otherFiles = 64;

/** Ports, buffers, queues, and how many sockets there may be. */
export function checkSockets(facts: HostFacts, need: RelayNeed): Check[] {
  const queues = checkQueues(facts, need);
  return [checkPorts(facts, need), checkBuffers(facts, need), ...queues, checkOpenFiles(facts, need)];
}

function checkPorts({ ports }: HostFacts, need: RelayNeed): Check {
  const check = { check: "ports", group: "sockets" } as const;
  const numbers = formatPorts(need.ports.map(({ port }) => port));
  const refused = ports.filter(({ trial }) => !trial.free);
  const [first] = refused;
  if (first === undefined || first.trial.free) {
    const where = need.addresses.length === 1 ? need.addresses[0] : `${need.addresses.length} addresses`;
    return { ...check, status: "ok", found: `UDP ${numbers || "of any number"} free on ${where}` };
  }
  const { code, message, holder } = first.trial;
  const more = refused.length > 1 ? ` (and ${refused.length - 1} more)` : "";
  const at = formatEndpoint(first);
  if (code !== "PORT_IN_USE")
    return { ...check, status: "failed", found: `${at}${more} cannot be bound`, remedy: message };
  return {
    ...check,
    status: "failed",
    found: `${at}${more} is in use${holder === undefined ? "" : ` by ${holder}`}`,
    remedy: "Stop the program that has it or choose another port.",
    command: `punchcast relay ${otherPortFlag(first, need)}`,
  };
}

function otherPortFlag({ port }: PortFact, need: RelayNeed): string {
  const isPunchPort = need.ports.find((needed) => needed.port === port)?.purpose.includes("--punch-port");
  return isPunchPort ? `--punch-port ${port + 1000}` : `--ingest-port ${port + 1000}`;
}

function checkBuffers(facts: HostFacts, need: RelayNeed): Check {
  const check = { check: "socket-buffers", group: "sockets" } as const;
  const granted = facts.ports.flatMap(({ trial }) => (trial.free ? [trial.receiveBytes, trial.sendBytes] : []));
  const limits = ["net.core.rmem_max", "net.core.wmem_max"].map((name) => readSwitch(facts, name));
  const [receive, send] = limits;
  const known = limits.filter((limit) => limit !== undefined);
  const least = Math.min(...(granted.length > 0 ? granted : known));
  if (!Number.isFinite(least)) return { ...check, status: "unknown", found: "no socket could be tried" };
  const kib = (bytes: number): string => `${bytes >> 10} KiB`;
  const found = `${kib(least)} granted of ${kib(need.bufferBytes)} asked for (rmem_max ${receive ?? "?"}, wmem_max ${send ?? "?"})`;
  if (least >= need.bufferBytes) return { ...check, status: "ok", found };
  const isLinux = facts.platform === "linux";
  return {
    ...check,
    status: "warning",
    found: `${found}: bursts may be lost`,
    remedy: "Let the kernel grant more; in a container, set it on the host.",
    ...(isLinux && {
      command: `sudo sysctl -w net.core.rmem_max=${need.bufferBytes} net.core.wmem_max=${need.bufferBytes}`,
    }),
  };
}

function checkOpenFiles({ openFiles, platform }: HostFacts, need: RelayNeed): Check {
  const check = { check: "open-files", group: "sockets" } as const;
  const sockets = need.addresses.length * need.ports.length;
  const wanted = sockets + otherFiles;
  if (platform === "win32") return { ...check, status: "ok", found: `${sockets} sockets; no limit on ${platform}` };
  if (!openFiles.ok) return { ...check, status: "unknown", found: openFiles.reason };
  const found = `${sockets} sockets within a limit of ${openFiles.value} files`;
  if (openFiles.value >= wanted) return { ...check, status: "ok", found };
  return {
    ...check,
    status: "failed",
    found: `${sockets} sockets are too many for a limit of ${openFiles.value} files`,
    remedy: "Raise the limit (systemd: LimitNOFILE), or bind one address with --listen.",
    command: `ulimit -n ${wanted}`,
  };
}
