import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PunchcastError } from "../core/errors.ts";
import { rewriteForPlayer } from "../sdp/rewrite.ts";
import { type Sdp, writeSdp } from "../sdp/session.ts";

/**
 * Writes the sender's SDP as a player on this host needs it: address 127.0.0.1, media line i on `basePort` + 2i.
 * @returns the file's path: `path`, or a file of this process in the system's temporary folder
 * @throws PunchcastError FILE_UNWRITABLE
 */
export async function writePlayerSdp(sdp: Sdp, basePort: number, path?: string): Promise<string> {
  const target = path ?? join(tmpdir(), `punchcast-${process.pid}-${basePort}.sdp`);
  try {
    await writeFile(target, writeSdp(rewriteForPlayer(sdp, { address: "127.0.0.1", basePort })));
  } catch (cause) {
    throw new PunchcastError(
      "FILE_UNWRITABLE",
      `SDP file ${target} cannot be written: name a writable one with --sdp-out.`,
      cause,
    );
  }
  return target;
}
