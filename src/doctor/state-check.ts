import type { Check, RelayNeed } from "./check.ts";
import type { HostFacts } from "./facts.ts";

/** Whether the keys can be read and kept, by their owner alone. */
export function checkState({ state }: HostFacts, need: RelayNeed): Check[] {
  const check = { check: "state-file", group: "state" } as const;
  const path = need.statePath;
  if (path === undefined) return [{ ...check, status: "unneeded", found: "every key is given" }];
  if (!state.ok) return [{ ...check, status: "unknown", found: `${path}: ${state.reason}` }];
  const { mode, fault, canBeWritten } = state.value;
  const elsewhere = `punchcast relay --state "$HOME/punchcast.json"`;
  if (fault !== undefined) return [{ ...check, status: "failed", found: path, remedy: fault, command: elsewhere }];
  if (!canBeWritten) {
    const remedy = "Name a file that this user can write, or make the folder writable.";
    return [{ ...check, status: "failed", found: `${path} cannot be written`, remedy, command: elsewhere }];
  }
  if (mode === undefined) return [{ ...check, status: "ok", found: `${path}: not there yet, will be made` }];
  const shown = `0${(mode & 0o777).toString(8).padStart(3, "0")}`;
  if ((mode & 0o077) === 0) return [{ ...check, status: "ok", found: `${path}, mode ${shown}` }];
  return [
    {
      ...check,
      status: "warning",
      found: `${path}, mode ${shown}: others on this host may read the keys`,
      remedy: "Keep it to its owner.",
      command: `chmod 600 ${quote(path)}`,
    },
  ];
}

/** A path as a shell takes it. */
function quote(path: string): string {
  return /^[\w/.~-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
