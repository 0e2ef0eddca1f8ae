import assert from "node:assert/strict";
import { chmod, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { startRelay } from "../../src/cli/start-relay.ts";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { readSdp } from "../../src/sdp/session.ts";
import type { PlayerInput } from "../../src/watch/player-commands.ts";
import { watch } from "../../src/watch/watch.ts";
import { freePorts, streamOptions, withCleanup } from "../server/support.ts";
import { needs } from "../support/needs.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { type Clips, makeClips } from "./clips.ts";
import { type Comparison, compare } from "./compare.ts";
import { type MatrixReceiver, matrixReceivers, receive } from "./receivers.ts";
import { type MatrixSender, matrixSenders } from "./senders.ts";

type Cell = Comparison | { readonly cannot: string };

/** One sender through a relay to all players, each behind an agent of its own. */
async function playRow(sender: MatrixSender, clips: Clips, folder: string): Promise<Map<string, Cell>> {
  const cells = new Map<string, Cell>();
  await withCleanup(async (use) => {
    const sdp = await sender.sdp?.(clips);
    const receivers = matrixReceivers.filter(({ skip }) => !skip);
    // Agents that start at the same time would find the same ones free.
    const ingestPort = await freePorts(4 + 4 * receivers.length);
    const relay = use(
      await startRelay(
        {
          streams: [streamOptions(ingestPort)],
          ...{ listen: "127.0.0.1", punchPort: 0 },
          ...(sdp !== undefined && { sdp: new Map([["live", sdp]]) }),
        },
        { port: 0 },
      ),
    );
    const [stream] = relay.streams;
    assert.ok(stream !== undefined);
    const reference = sender.reference(clips, folder);
    const sending = Promise.withResolvers<void>();
    const over = Promise.withResolvers<void>();
    const playing = receivers.map(async (receiver, i) => {
      // Every other one comes while the stream is live.
      if (i % 2 === 1) await sending.promise.then(() => wait(1_700));
      const cell = await playCell(receiver, ingestPort + 4 + 4 * i);
      cells.set(receiver.name, cell);
    });

    async function playCell(receiver: MatrixReceiver, port: number): Promise<Cell> {
      const watching = use(await watch({ target: parsePunchUrl(stream?.watchUrl ?? ""), port }));
      const own = join(folder, receiver.name);
      await mkdir(own);
      await chmod(own, 0o777);
      const input = await inputOf(watching);
      const cannot = receiver.cannot(input);
      if (cannot !== undefined) return { cannot };
      const receiving = use(receive(receiver, input, own));
      await over.promise;
      const { decoded, complaints } = await receiving.finish();
      // MPEG-TS ends a picture with the next one's beginning, so more of the last ones wait when a player is stopped.
      const isRtp = sender.container === "rtp";
      const tailPictures = receiver.tailPictures + (isRtp ? 0 : 8);
      const tolerance = { tailPictures, tailSeconds: isRtp ? 0.4 : 0.7, sampleError: 2 };
      const comparison = compare(decoded, await reference, sender.channels, tolerance);
      // Nothing is kept of MPEG-TS: players look for its next key frame themselves, and say so.
      const known =
        sender.container === "rtp"
          ? /^$/
          : /non-existing PPS|decode_slice_header|no frame!|co located POCs|[Rr]eference picture|mmco|Last message/;
      return { ...comparison, faults: [...comparison.faults, ...complaints.filter((line) => !known.test(line))] };
    }

    async function inputOf(watching: { port: number; described: Promise<string> }): Promise<PlayerInput> {
      const { port } = watching;
      if (sender.container === "mpegts") return { port, source: { kind: "mpegts" }, sdpPath: undefined };
      const sdpPath = await Promise.race([watching.described, over.promise.then(() => assert.fail("no SDP came"))]);
      return { port, source: { kind: "sdp", sdp: readSdp(await readFile(sdpPath, "utf8")) }, sdpPath };
    }

    await wait(500);
    const sent = sender.send({ ingestPort, publishUrl: stream.publishUrl }, clips);
    sending.resolve();
    await sent;
    await wait(1_500);
    over.resolve();
    await Promise.all(playing);
  });
  return cells;
}

const show = (cell: Cell | undefined): string => {
  if (cell === undefined) return "not installed";
  if ("cannot" in cell) return cell.cannot;
  const { first, last, sent, soundSeconds, faults } = cell;
  return `${faults.length === 0 ? "ok" : "FAILS"} pictures ${first}-${last} of ${sent}, ${soundSeconds.toFixed(1)} s of sound${faults.map((fault) => `; ${fault}`).join("")}`;
};

const only = process.env.PUNCHCAST_SENDER;

/** One row after the other: two of them would look for free ports at the same time, and find the same ones. */
const options = { ...needs("ffmpeg"), timeout: 240_000, concurrency: 1 };

test("every common sender plays in every common player", options, async (t) => {
  await withTempFolder(async (folder) => {
    await chmod(folder, 0o755);
    const clips = await makeClips(folder);
    const rows = matrixSenders.filter(({ name }) => only === undefined || name.includes(only));
    for (const sender of rows) {
      await t.test(sender.name, { skip: sender.skip, timeout: 60_000 }, async (row) => {
        const own = join(folder, sender.name.replaceAll(/\W/g, "-"));
        await mkdir(own);
        const cells = await playRow(sender, clips, own);
        for (const { name } of matrixReceivers) row.diagnostic(`${sender.name} → ${name}: ${show(cells.get(name))}`);
        const faults = [...cells].map(([name, cell]) => [name, "faults" in cell ? cell.faults : []]);
        assert.deepEqual(
          faults,
          faults.map(([name]) => [name, []]),
        );
      });
    }
  });
});
