import { readFile } from "node:fs/promises";
import { PunchcastError } from "../core/errors.ts";
import { readSdp } from "../sdp/session.ts";

/**
 * Reads an SDP file that readSdp accepts, and returns its text.
 * @throws PunchcastError FILE_UNREADABLE; BAD_SDP naming the file
 */
export async function loadSdpText(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw new PunchcastError("FILE_UNREADABLE", `SDP file ${path} cannot be read: check the name and its mode.`, cause);
  }
  try {
    readSdp(text);
  } catch (error) {
    if (!(error instanceof PunchcastError)) throw error;
    throw new PunchcastError(error.code, `${path}: ${error.message}`, error);
  }
  return text;
}
