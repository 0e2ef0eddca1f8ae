import type { Check, RelayNeed, Status } from "./check.ts";
import { type HostFacts, type ToolName, toolNames } from "./facts.ts";

/** Numbers of capabilities (linux/capability.h). */
const capabilities = { CAP_NET_ADMIN: 12n, CAP_NET_RAW: 13n, CAP_BPF: 39n } as const;

/** The packages that have the tools on Debian and its kin. */
const packages: Readonly<Record<ToolName, string>> = {
  nft: "nftables",
  conntrack: "conntrack",
  iptables: "iptables",
  ip6tables: "iptables",
  ip: "iproute2",
};

/** Starts the relay as the present user with the one right that the planes in the kernel need, and nothing else. */
const withNetAdmin =
  'sudo setpriv --reuid "$(id -u)" --regid "$(id -g)" --init-groups --inh-caps +net_admin --ambient-caps +net_admin ' +
  '"$(command -v node)" "$(command -v punchcast)" relay --plane nat';

/** The line that installs a tool on Debian and its kin. */
export function installLine(tool: ToolName): string {
  return `sudo apt-get install ${packages[tool]}`;
}

/** True if this process has the right, `undefined` if that could not be read. */
export function hasCapability(facts: HostFacts, name: keyof typeof capabilities): boolean | undefined {
  if (!facts.capabilities.ok) return undefined;
  return ((facts.capabilities.value >> capabilities[name]) & 1n) === 1n;
}

/** The tools that the nat plane would need and that are missing. */
export function missingTools({ tools }: HostFacts): ToolName[] {
  const hasRules = tools.has("nft") || tools.has("iptables");
  return [...(hasRules ? [] : (["nft"] as const)), ...(tools.has("conntrack") ? [] : (["conntrack"] as const))];
}

/** Rights of this process, and the tools that planes in the kernel are driven with. */
export function checkRights(facts: HostFacts, need: RelayNeed): Check[] {
  if (facts.platform !== "linux") return [];
  return [checkCapabilities(facts, need), checkTools(facts, need)];
}

/** What to do about a missing CAP_NET_ADMIN. */
export const netAdminRemedy: { readonly remedy: string; readonly command: string } = {
  remedy: "Start the relay with CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN) or as root.",
  command: withNetAdmin,
};

function checkCapabilities(facts: HostFacts, need: RelayNeed): Check {
  const check = { check: "rights", group: "rights" } as const;
  const who = facts.uid === 0 ? "root" : `user ${facts.uid ?? "unknown"}`;
  if (!facts.capabilities.ok) return { ...check, status: "unknown", found: `${who}; ${facts.capabilities.reason}` };
  const names = Object.keys(capabilities) as (keyof typeof capabilities)[];
  const held = names.filter((name) => hasCapability(facts, name));
  const found = `${who} with ${held.join(", ") || "no rights beyond a plain user's"}`;
  if (held.includes("CAP_NET_ADMIN")) return { ...check, status: "ok", found };
  if (need.plane === "userspace")
    return { ...check, status: "ok", found: `${found}: all that the userspace plane needs` };
  return {
    ...check,
    status: "failed",
    found: `${found}: the ${need.plane} plane needs CAP_NET_ADMIN`,
    ...netAdminRemedy,
  };
}

function checkTools(facts: HostFacts, need: RelayNeed): Check {
  const there = toolNames.flatMap((tool) => (facts.tools.has(tool) ? [`${tool} ${facts.tools.get(tool)}`.trim()] : []));
  const absent = toolNames.filter((tool) => !facts.tools.has(tool));
  const found = [...there, ...(absent.length > 0 ? [`missing: ${absent.join(", ")}`] : [])].join("; ");
  const [missing] = missingTools(facts);
  const status: Status = missing === undefined ? "ok" : need.plane === "nat" ? "failed" : "unneeded";
  const check = { check: "tools", group: "rights", status, found } as const;
  if (missing === undefined) return check;
  return { ...check, remedy: `Install ${missing} for the nat plane.`, command: installLine(missing) };
}
