import type { Check, RelayNeed, Remedy } from "./check.ts";
import type { HostFacts } from "./facts.ts";

/** The oldest Node that runs Punchcast; package.json's `engines` says the same. */
export const oldestNode: readonly [major: number, minor: number] = [22, 18];

/** Punchcast did not exist before: a clock that shows an earlier time is wrong. */
const earliestMs = Date.UTC(2026, 0, 1);

/** A clock a lifetime ahead is as wrong as one that starts in 1970. */
const latestMs = Date.UTC(2100, 0, 1);

/** Node, operating system, clock, and where this process is shut in. */
export function checkHost(facts: HostFacts, need: RelayNeed): Check[] {
  return [checkNode(facts), checkPlatform(facts), checkClock(facts, need), checkConfinement(facts)];
}

function checkNode({ nodeVersion }: HostFacts): Check {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  const [oldMajor, oldMinor] = oldestNode;
  const isOld = major < oldMajor || (major === oldMajor && minor < oldMinor);
  const check = { check: "node", group: "host", found: `Node.js ${nodeVersion}` } as const;
  if (!isOld) return { ...check, status: "ok" };
  return {
    ...check,
    status: "failed",
    remedy: `Install Node.js ${oldestNode.join(".")} or newer.`,
    command: "npm install -g node@24",
  };
}

function checkPlatform({ platform, kernel }: HostFacts): Check {
  const name = platform === "linux" ? "Linux" : platform;
  return { check: "platform", group: "host", status: "ok", found: `${name} ${kernel}` };
}

function checkClock({ wallMs }: HostFacts, need: RelayNeed): Check {
  const check = { check: "clock", group: "host", found: new Date(wallMs).toISOString().slice(0, 16) } as const;
  if (wallMs >= earliestMs && wallMs < latestMs) return { ...check, status: "ok" };
  return {
    ...check,
    status: need.hasTimedKeys ? "failed" : "warning",
    remedy: "Set the clock: time-limited keys (--auth-secret) are good or bad by it.",
    command: "sudo timedatectl set-ntp true",
  };
}

function checkConfinement({ confinement, platform }: HostFacts): Check {
  const check = { check: "confinement", group: "host" } as const;
  if (platform !== "linux") return { ...check, status: "ok", found: `not looked for on ${platform}` };
  if (!confinement.ok) return { ...check, status: "unknown", found: confinement.reason };
  const { ownUsers, ownNetwork, container } = confinement.value;
  const parts = [
    ...(container === undefined ? [] : [`in ${container}`]),
    ...(ownNetwork
      ? ["network namespace of its own: addresses, firewall and forwarding are its own, not the host's"]
      : []),
    ...(ownUsers ? ["user namespace of its own: rights end at its border"] : []),
  ];
  const found = parts.join("; ") || "none: the host itself";
  if (container === undefined || !ownNetwork) return { ...check, status: "ok", found };
  return { ...check, status: "warning", found, ...containerRemedy(container) };
}

function containerRemedy(container: string): Remedy {
  const tool = container === "Podman" ? "podman" : "docker";
  return {
    remedy: "Give the container the host's network: published ports may hide the viewers' addresses behind a proxy.",
    command: `${tool} run --network host …`,
  };
}
