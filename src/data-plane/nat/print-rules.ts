import type { PlanePorts } from "../data-plane.ts";
import { createBackend } from "./choose-backend.ts";
import type { Mapping } from "./mapping.ts";
import type { NatTool } from "./nat-backend.ts";
import { runTool } from "./run-tool.ts";

/** Addresses of RFC 5737: nobody has them. */
const example: Mapping = {
  publisher: { address: "192.0.2.175", port: 9099 },
  ingest: { address: "198.51.100.197", port: 9099 },
  viewer: { address: "203.0.113.112", port: 57_519 },
  punched: { address: "198.51.100.197", port: 9000 },
};

/** What a nat plane does to the host, as commands for people to read. Touches nothing. */
export function printableRules(tool: NatTool, ports: PlanePorts): string {
  const [ingest = ports.punch] = ports.ingest;
  const mapping: Mapping = { ...example, ingest: { ...example.ingest, port: ingest } };
  const { publisher, viewer, punched } = mapping;
  const tracked = (from: Mapping["viewer"], to: Mapping["viewer"]): string =>
    `conntrack -D -f ipv4 -p udp -s ${from.address} -d ${to.address} --sport ${from.port} --dport ${to.port}`;
  return [
    "# When the relay starts; both are put back when it stops, IPv6's only if the host has a global IPv6 address:",
    "sysctl -w net.ipv4.ip_forward=1",
    "sysctl -w net.ipv6.conf.all.forwarding=1",
    "",
    `# Also when it starts, and shown as it is while ${publisher.address} feeds component 0 and ${viewer.address} watches it:`,
    createBackend(tool, runTool, [4]).describe(ports, [{ ...mapping, punched: { ...punched, port: ports.punch } }]),
    "",
    "# After each such mapping, what was tracked before and would keep it from taking hold:",
    tracked(publisher, mapping.ingest),
    tracked(viewer, { ...punched, port: ports.punch }),
    "",
  ].join("\n");
}
