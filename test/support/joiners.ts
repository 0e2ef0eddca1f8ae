/*
 * Viewers of one stream that join one after the other and stay: each an agent with a player's sockets behind it. Arguments:
 * URL, folder, first port, how many, ms between two of them, ms from the first join to the end. Writes what each player got
 * to `<folder>/<viewer>.h264` from the first key frame on, and prints a line of JSON with all that is to be known of them.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { decodeRtp, type RtpPacket } from "../../src/rtp/header.ts";
import { inspectPayload } from "../../src/rtp/payload/inspect.ts";
import { openUdpSocket } from "../../src/udp/udp-socket.ts";
import { watch } from "../../src/watch/watch.ts";
import type { WatchEvent } from "../../src/watch/watch-events.ts";
import { annexB } from "./annex-b.ts";

/** What is known of one viewer at the end. */
export interface JoinerReport {
  /** From its start to the last packet of the first key frame, in ms; null if none came. */
  readonly firstFrameMs: number | null;
  /** Whether the first packet of all was the first one of a key frame. */
  readonly beganWithKeyFrame: boolean;
  /** Sequence numbers of picture and sound that did not follow on the one before. */
  readonly breaks: readonly string[];
  /** What the agent counted, of picture and sound: packets that never came, and packets that came twice. */
  readonly lost: number;
  readonly duplicates: number;
}

const [url = "", folder = "", firstPort = "", count = "", everyMs = "", untilMs = ""] = process.argv.slice(2);
const components = [0, 1, 2, 3];

async function joinAs(viewer: number, endAt: number): Promise<JoinerReport> {
  const startedAt = performance.now();
  const pictures: RtpPacket[] = [];
  const last = new Map<number, number>();
  let [keyTimestamp, keyAt, firstFrameMs]: [number, number, number | null] = [-1, -1, null];
  const breaks: string[] = [];

  function onMedia(component: number, bytes: Uint8Array): void {
    const read = decodeRtp(bytes);
    if (!read.ok) return;
    const packet = read.value;
    const before = last.get(component);
    if (before !== undefined && packet.sequenceNumber !== ((before + 1) & 0xffff)) {
      breaks.push(`${component}: ${before} ${packet.sequenceNumber} after ${performance.now() - startedAt} ms`);
    }
    last.set(component, packet.sequenceNumber);
    if (component !== 0) return;
    // The socket may use its memory again.
    pictures.push({ ...packet, payload: packet.payload.slice() });
    const facts = inspectPayload("H264", packet.payload);
    if (keyAt === -1 && facts.ok && facts.value.keyFrame) {
      keyTimestamp = packet.timestamp;
      keyAt = pictures.findIndex(({ timestamp }) => timestamp === keyTimestamp);
    }
    if (packet.marker && packet.timestamp === keyTimestamp) firstFrameMs ??= performance.now() - startedAt;
  }

  const port = Number(firstPort) + components.length * viewer;
  const sockets = await Promise.all(
    components.map((component) =>
      openUdpSocket({
        ...{ address: "127.0.0.1", port: port + component, bufferBytes: 1 << 20 },
        onDatagram: (bytes) => component % 2 === 0 && onMedia(component, bytes),
      }),
    ),
  );
  let stats: (WatchEvent & { event: "stats" }) | undefined;
  const watching = await watch({
    ...{ target: parsePunchUrl(url), port, repair: false },
    onEvent(event) {
      if (event.event === "stats") stats = event;
    },
  });
  await wait(endAt - performance.now());
  await watching.close();
  for (const socket of sockets) await socket.close();
  const payloads = pictures.slice(Math.max(0, keyAt)).flatMap(({ payload }) => annexB(payload));
  await writeFile(join(folder, `${viewer}.h264`), Buffer.concat(payloads));
  const sum = (of: "lost" | "duplicates"): number =>
    (stats?.components ?? []).reduce((total, each) => total + (each.component % 2 === 0 ? each[of] : 0), 0);
  return { firstFrameMs, beganWithKeyFrame: keyAt === 0, breaks, lost: sum("lost"), duplicates: sum("duplicates") };
}

const endAt = performance.now() + Number(untilMs);
const viewers = Array.from({ length: Number(count) }, async (_, viewer) => {
  await wait(viewer * Number(everyMs));
  return joinAs(viewer, endAt);
});
console.log(JSON.stringify(await Promise.all(viewers)));
