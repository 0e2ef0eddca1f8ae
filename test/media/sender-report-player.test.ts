import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { createSenderReportRepair } from "../../src/media/sender-report-repair.ts";
import { decodeRtp } from "../../src/rtp/header.ts";
import { createAccessUnitTracker } from "../../src/rtp/payload/access-unit-tracker.ts";
import { rewriteForPlayer } from "../../src/sdp/rewrite.ts";
import { readSdp, writeSdp } from "../../src/sdp/session.ts";
import { type CapturedDatagram, capture, readPcap } from "../support/captures.ts";
import { needs } from "../support/needs.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { type Played, startTimedPlayer } from "../support/timed-player.ts";
import { freePortRow, untilBound } from "../support/udp-ports.ts";

const name = "mp4box-0.8.1-h264-aac";
const { path, skip: noCapture } = capture(`${name}.pcap`);
const host = "127.0.0.1";

const factsOf = (track: number) =>
  track === 0 ? ({ kind: "video", clockRate: 90_000 } as const) : ({ kind: "audio", clockRate: 48_000 } as const);

/** The capture with its RTCP as it is, as the repair makes it, or left out. Times are the capture's. */
function relayed(rtcp: "raw" | "repaired" | "none"): CapturedDatagram[] {
  const repair = createSenderReportRepair({ factsOf });
  const pictures = createAccessUnitTracker("H264");
  return readPcap(path).flatMap((each) => {
    const component = each.destinationPort - 9099;
    const track = component >> 1;
    if (component % 2 === 1) {
      const payload = rtcp === "repaired" ? repair.onRtcp(track, each.payload, each.atMs) : each.payload;
      return rtcp === "none" ? [] : [{ ...each, payload }];
    }
    const packet = decodeRtp(each.payload);
    assert.ok(packet.ok);
    const isKeyFrame = track === 0 && pictures.onPacket(packet.value).keyFrame;
    const due = repair.onRtp(track, packet.value, each.atMs, isKeyFrame);
    if (due === undefined || rtcp !== "repaired") return [each];
    return [{ ...each, destinationPort: each.destinationPort + 1, payload: due }, each];
  });
}

/** Plays datagrams to an ffmpeg in real time. */
async function play(datagrams: readonly CapturedDatagram[], folder: string, label: string): Promise<Played> {
  const basePort = await freePortRow(4, host);
  const sdp = join(folder, `${label}.sdp`);
  const description = readSdp(await readFile(path.replace(/pcap$/, "sdp"), "utf8"));
  await writeFile(sdp, writeSdp(rewriteForPlayer(description, { address: host, basePort })));
  const player = startTimedPlayer(sdp, folder, label);
  const socket = createSocket("udp4");
  try {
    await untilBound([0, 1, 2, 3].map((i) => basePort + i));
    const startMs = performance.now();
    for (const { atMs, destinationPort, payload } of datagrams) {
      const early = startMs + atMs - performance.now();
      if (early > 1) await wait(early);
      socket.send(payload, basePort + destinationPort - 9099, host);
    }
    await wait(500);
    return await player.stop();
  } finally {
    socket.close();
    await player.stop();
  }
}

/** The largest difference between two rows of times, as far as both go. */
function furthestApart(some: readonly number[], others: readonly number[]): number {
  return Math.max(...some.slice(0, others.length).map((time, i) => Math.abs(time - (others[i] ?? time))));
}

const options = { ...needs("ffmpeg"), ...(noCapture && { skip: noCapture }) };

test("ffmpeg plays MP4Box's stream in sync once its reports are repaired", options, async (t) => {
  await withTempFolder(async (folder) => {
    const kinds = ["raw", "repaired", "none"] as const;
    const [raw, repaired, none] = await Promise.all(kinds.map((kind) => play(relayed(kind), folder, kind)));
    assert.ok(raw && repaired && none);
    t.diagnostic(
      `complaints: ${raw.complaints} raw, ${repaired.complaints} repaired, ${none.complaints} without reports`,
    );
    assert.ok(raw.complaints > 100);
    assert.equal(repaired.complaints, 0);
    const [pictures = [], sound = []] = repaired.times;
    assert.ok(pictures.length > 270 && sound.length > 540);
    // The file's picture and sound begin together, and its sound has 1,024 samples a frame without a gap.
    const pictureError = furthestApart(pictures, none.times[0] ?? []);
    const soundError = furthestApart(
      sound,
      sound.map((_, i) => (i * 1024) / 48),
    );
    t.diagnostic(`off by ${pictureError.toFixed(1)} ms (picture), ${soundError.toFixed(1)} ms (sound)`);
    assert.ok(pictureError + soundError < 40);
  });
});
