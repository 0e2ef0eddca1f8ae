import assert from "node:assert/strict";
import { join } from "node:path";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import type { Lab } from "../../src/lab/lab.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import type { ListeningStream } from "../../src/server/server-events.ts";
import { withLab } from "./lab.ts";
import { runRelay } from "./punchcast.ts";
import { withTempFolder } from "./temp-folder.ts";

/** A NAT that draws another port for every remote and lets nobody else in. */
export const symmetric = { mapping: "address-and-port-dependent", ports: "random" } as const;
/** The relay of the scene. */
export const relayHost = "10.10.10.197";
/** Its HTTP port. */
export const base: string = `http://${relayHost}:9000`;
/** Its admin token. */
export const adminToken = "admin-token-of-the-lab";

/** Notes when each picture was shown, and every connection that the page makes. */
export const spy = `
  window.shown = [];
  window.connections = [];
  const { RTCPeerConnection: Real } = window;
  window.RTCPeerConnection = function (...args) {
    const made = new Real(...args);
    window.connections.push(made);
    return made;
  };
  window.inbound = async (kind) => {
    for (const report of (await window.connections.at(-1).getStats()).values())
      if (report.type === "inbound-rtp" && report.kind === kind) return report;
  };
  window.keyFrames = async () => {
    for (const report of (await window.connections.at(-1).getStats()).values())
      if (report.type === "outbound-rtp" && report.kind === "video") return report.keyFramesEncoded;
  };
  addEventListener("DOMContentLoaded", () => {
    const video = document.querySelector("video");
    const note = () => {
      window.shown.push(performance.now());
      video?.requestVideoFrameCallback(note);
    };
    video?.requestVideoFrameCallback(note);
  });
`;

/** A relay, a sender, and a browser's host behind a symmetric NAT; `flags` are the relay's. */
export async function inScene(
  use: (lab: Lab, stream: ListeningStream) => Promise<void>,
  ...flags: readonly string[]
): Promise<void> {
  await withTempFolder((folder) =>
    withLab(seedScene({ ipv6: false, client: symmetric, moreViewers: [{}] }), async (lab) => {
      const relay = runRelay(
        lab.host("relay"),
        "--state",
        join(folder, "state.json"),
        "--admin-token",
        adminToken,
        ...flags,
      );
      const [stream] = (await relay.until("listening")).streams;
      assert.ok(stream !== undefined);
      await use(lab, stream);
    }),
  );
}

/** What the relay's API answers on its own host: JSON, or else the text. */
export async function api<T>(lab: Lab, method: string, path: string, body?: object): Promise<T> {
  const headers = { authorization: `Bearer ${adminToken}`, ...(body && { "content-type": "application/json" }) };
  const init = { method, headers, ...(body && { body: JSON.stringify(body) }) };
  const script = `process.stdout.write(await (await fetch(...${JSON.stringify([`http://127.0.0.1:9000${path}`, init])})).text())`;
  const { stdout } = await lab.host("relay").run(process.execPath, ["--input-type=module", "-e", script]);
  return (stdout.startsWith("{") ? JSON.parse(stdout) : stdout) as T;
}

/** The page that plays the stream. */
export function watchUrl({ browserUrl = "" }: ListeningStream): string {
  assert.ok(browserUrl.startsWith(`${base}/watch/`));
  return browserUrl;
}

/** A test picture of 30 a second and a tone, as plain RTP to the ingest ports. */
export function sendFrom(lab: Lab, encoder: readonly string[]): void {
  const inputs = [
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=640x360:rate=30",
    "-f",
    "lavfi",
    "-i",
    "sine=440:sample_rate=48000",
  ];
  const video = ["-map", "0:v", ...encoder, "-f", "rtp", `rtp://${relayHost}:9099`];
  const sound = ["-map", "1:a", "-c:a", "libopus", "-f", "rtp", `rtp://${relayHost}:9101`];
  lab.host("S1").spawn("ffmpeg", ["-nostdin", "-loglevel", "error", "-re", ...inputs, ...video, ...sound], {
    stdio: "ignore",
  });
}

/** A script by which a page publishes its camera, in any codec or the one named; its value is the status of the answer. */
export function publishScript({ name, publishUrl }: ListeningStream, codec = ""): string {
  return `(async () => {
    const media = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: true });
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    for (const track of media.getTracks()) {
      const line = connection.addTransceiver(track, { direction: "sendonly" });
      const codecs = RTCRtpSender.getCapabilities("video").codecs.filter(({ mimeType }) => mimeType.endsWith("${codec}"));
      if (track.kind === "video" && "${codec}" !== "") line.setCodecPreferences(codecs);
    }
    await connection.setLocalDescription();
    const answer = await fetch("/whip/${name}", {
      method: "POST",
      headers: { authorization: "Bearer ${parsePunchUrl(publishUrl).key}", "content-type": "application/sdp" },
      body: connection.localDescription.sdp,
    });
    if (answer.ok) await connection.setRemoteDescription({ type: "answer", sdp: await answer.text() });
    return answer.status;
  })()`;
}
