import type { Check, Group, Status } from "../doctor/check.ts";
import type { Examination } from "../doctor/examine.ts";

/** What `punchcast doctor` tells: each check, and what they come to. */
export type DoctorEvent =
  | ({ readonly event: "check" } & Check)
  | ({ readonly event: "summary"; readonly plane: string } & Omit<Examination, "checks">);

const titles: Readonly<Record<Group, string>> = {
  host: "Host",
  rights: "Rights and tools",
  network: "Network",
  sockets: "Sockets",
  firewall: "Firewall and forwarding",
  state: "State",
  planes: "Data planes",
};

/** A calm column: what is fine is not shouted. */
const words: Readonly<Record<Status, string>> = {
  ok: "ok",
  warning: "warning",
  failed: "FAILED",
  unknown: "unknown",
  unneeded: "not needed",
};

/** Shows checks by group, lined up, each with what to do about it; `checks` are all that will be told. */
export function createDoctorRenderer(checks: readonly Check[]): (event: DoctorEvent) => string {
  const nameWidth = Math.max(...checks.map(({ check }) => check.length));
  const statusWidth = Math.max(...Object.values(words).map((word) => word.length));
  const indent = " ".repeat(nameWidth + statusWidth + 6);
  let group: Group | undefined;

  return (event) => {
    if (event.event === "summary") return `\n${summarize(event)}`;
    const title = event.group === group ? [] : [`${group === undefined ? "" : "\n"}${titles[event.group]}`];
    group = event.group;
    const line = `  ${event.check.padEnd(nameWidth)}  ${words[event.status].padEnd(statusWidth)}  ${event.found}`;
    const remedy = [event.remedy, event.command].filter((text) => text !== undefined && text !== "");
    // A remedy for what is not needed would only be noise to people.
    const shown = event.status === "unneeded" ? [] : remedy.map((text) => `${indent}${text}`);
    return [...title, line, ...shown].join("\n");
  };
}

function summarize({ works, plane, counts }: DoctorEvent & { event: "summary" }): string {
  const { failed, warning } = counts;
  const warnings = warning === 0 ? "" : warning === 1 ? ", with one warning" : `, with ${warning} warnings`;
  if (works) return `A relay with these options would work on this host (${plane} plane)${warnings}.`;
  return `A relay with these options would not work on this host (${plane} plane): ${failed} failed${warnings}.`;
}
