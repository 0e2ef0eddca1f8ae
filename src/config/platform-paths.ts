import { homedir } from "node:os";
import { join } from "node:path";

/** The environment variables that say where state belongs. */
export interface StateEnvironment {
  readonly STATE_DIRECTORY?: string | undefined;
  readonly XDG_STATE_HOME?: string | undefined;
  readonly LOCALAPPDATA?: string | undefined;
}

/**
 * The folder for what must last over restarts: systemd's STATE_DIRECTORY, XDG_STATE_HOME (default `~/.local/state`),
 * on macOS `~/Library/Application Support`, on Windows LOCALAPPDATA.
 */
export function stateFolder(env: StateEnvironment, platform: NodeJS.Platform): string {
  if (env.STATE_DIRECTORY) return env.STATE_DIRECTORY.split(":")[0] ?? "";
  if (platform === "win32") return join(env.LOCALAPPDATA ?? join(homedir(), "AppData", "Local"), "punchcast");
  if (platform === "darwin") return join(homedir(), "Library", "Application Support", "punchcast");
  return join(env.XDG_STATE_HOME || join(homedir(), ".local", "state"), "punchcast");
}
