import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { PunchcastError, systemErrorCode } from "../core/errors.ts";

/** Players that can be started. */
export const playerNames = ["ffplay", "mpv"] as const;

/** One of them. */
export type PlayerName = (typeof playerNames)[number];

/** A running player. */
export interface Player {
  /** Resolves when the player's window is closed. */
  readonly closed: Promise<void>;
  close(): void;
}

const argumentsOf: Readonly<Record<PlayerName, (sdp: string) => string[]>> = {
  // Without a buffer of their own, but with reordering left on: packets cross the internet.
  ffplay: (sdp) => [
    "-loglevel",
    "error",
    "-protocol_whitelist",
    "file,rtp,udp",
    "-fflags",
    "nobuffer",
    "-flags",
    "low_delay",
    "-i",
    sdp,
  ],
  mpv: (sdp) => ["--really-quiet", "--profile=low-latency", "--demuxer-lavf-o=protocol_whitelist=[file,rtp,udp]", sdp],
};

/**
 * Starts a player on an SDP file.
 * @throws PunchcastError TOOL_MISSING
 */
export async function startPlayer(name: PlayerName, sdpPath: string): Promise<Player> {
  const child: ChildProcess = spawn(name, argumentsOf[name](sdpPath), { stdio: ["ignore", "ignore", "inherit"] });
  try {
    await once(child, "spawn");
  } catch (cause) {
    const why = systemErrorCode(cause) === "ENOENT" ? "is not on this machine's PATH" : "cannot be started";
    throw new PunchcastError(
      "TOOL_MISSING",
      `Player ${name} ${why}: install it, or take --player none and start your own.`,
      cause,
    );
  }
  const closed = once(child, "exit").then(() => {});
  return {
    closed,
    close() {
      child.kill("SIGTERM");
    },
  };
}
