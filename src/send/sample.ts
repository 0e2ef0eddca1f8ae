import { fileURLToPath } from "node:url";

/**
 * The clip that comes with the package (made by assets/make-sample.sh): 10 s of H.264, 480x270 at 25 frames a second with
 * a running clock and a key frame each 2 s, and AAC with a beep each second.
 */
export function sampleClipPath(): string {
  // src/send and dist/send lie equally deep.
  return fileURLToPath(new URL("../../assets/sample.mp4", import.meta.url));
}
