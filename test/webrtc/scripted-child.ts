import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Writes a program that is to be WebRTC's process in a test: `pipe` is the pipe, `tell` sends a message. Returns its path. */
export async function scriptedChild(folder: string, script: string): Promise<string> {
  const entry = join(folder, "child.mjs");
  const frames = new URL("../../src/webrtc/frames.ts", import.meta.url).href;
  await writeFile(
    entry,
    `import { Socket } from "node:net";
    import { createFrameReader, encodeFrame } from ${JSON.stringify(frames)};
    const pipe = new Socket({ fd: 3, readable: true, writable: true });
    const tell = (message) => pipe.write(encodeFrame({ kind: "message", text: JSON.stringify(message) }));
    pipe.on("end", () => process.exit(0));
    ${script}`,
  );
  return entry;
}
