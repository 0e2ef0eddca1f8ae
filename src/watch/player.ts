import { execFile } from "node:child_process";
import type { Clock } from "../core/clock.ts";
import { type PlayerInput, type PlayerName, playerCommands, refuseForVlc } from "./player-commands.ts";
import { requireTool, startTool, type Tool } from "./tool.ts";

const remedy = "install it, or take --player none and start a player of your own";

/** Looking through VLC's plugins takes half a second; on a slow disk more. */
const listTimeoutMs = 5_000;

/** Makes sure that a player is on the PATH. @throws PunchcastError TOOL_MISSING */
export function requirePlayer(name: PlayerName): Promise<void> {
  return requireTool(playerCommands[name].program, remedy);
}

/**
 * Starts a player, whose end is its window's.
 * @throws PunchcastError TOOL_MISSING; BAD_OPTION if it cannot play such a stream
 */
export async function startPlayer(name: PlayerName, input: PlayerInput, clock: Clock): Promise<Tool> {
  const { program, args } = playerCommands[name];
  if (name === "vlc") refuseForVlc(input.source, await hasLive555(program));
  return startTool({ name: program, args: args(input), remedy, clock });
}

/** Whether this VLC can take an SDP. One that refuses to say, as it does to root, passes for one that cannot. */
function hasLive555(program: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(program, ["--list"], { timeout: listTimeoutMs, maxBuffer: 8 << 20 }, (_error, stdout) => {
      resolve(/^\s*live555\s/m.test(stdout));
    });
  });
}
