import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import type { FromChild } from "../../src/webrtc/messages.ts";
import { createSupervisor, type Supervisor } from "../../src/webrtc/supervisor.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { until } from "../support/until.ts";
import { scriptedChild } from "./scripted-child.ts";

interface Rig {
  readonly supervisor: Supervisor;
  readonly messages: FromChild[];
  readonly gone: string[];
}

/** A process that runs `script`, in which `tell` sends a message. */
async function withChild(script: string, use: (rig: Rig) => Promise<void>, clock = systemClock): Promise<void> {
  await withTempFolder(async (folder) => {
    const entry = await scriptedChild(folder, script);
    const messages: FromChild[] = [];
    const gone: string[] = [];
    const supervisor = createSupervisor({
      ...{ clock, entry },
      start: () => ({ type: "start", port: 9001, publicAddresses: [] }),
      onMessage: (message) => messages.push(message),
      onGone: (message) => gone.push(message),
    });
    try {
      await use({ supervisor, messages, gone });
    } finally {
      await supervisor.close();
    }
  });
}

test("what the library's failure to load says reaches the relay, which goes on", () =>
  withChild(`tell({ type: "failed", message: "Cannot find package" });`, async ({ supervisor, messages }) => {
    await assert.rejects(supervisor.ready(), /Cannot find package/);
    assert.deepEqual(messages, [{ type: "failed", message: "Cannot find package" }]);
  }));

test("a process that dies is told of once, and started again when it is needed", () =>
  withChild(
    `pipe.on("data", createFrameReader((frame) => {
      if (frame.kind === "packet") process.kill(process.pid, "SIGKILL");
      else tell({ type: "ready" });
    }));`,
    async ({ supervisor, gone }) => {
      await supervisor.ready();
      supervisor.packet(1, 0, new Uint8Array(10), 0);
      await until("its end", () => gone.length > 0);
      assert.deepEqual(gone, ["its process ended (SIGKILL)"]);
      supervisor.packet(1, 0, new Uint8Array(10), 0);
      const again = Date.now() + 3_000;
      for (let isUp = false; !isUp && Date.now() < again; ) {
        isUp = await supervisor.ready().then(
          () => true,
          () => new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 100)),
        );
      }
      await supervisor.ready();
    },
  ));

test("a process that reads nothing loses packets, and the relay keeps no more than a few megabytes", () =>
  withChild(`tell({ type: "ready" });`, async ({ supervisor }) => {
    await supervisor.ready();
    const packet = new Uint8Array(1_200);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 40_000; i += 1) supervisor.packet(1, 0, packet, 0);
    assert.ok(process.memoryUsage().arrayBuffers - before < 16 << 20);
  }));

test("a process that says nothing any more is killed, and one that speaks is not", async () => {
  const clock = createFakeClock();
  await withChild(
    `tell({ type: "ready" });
    pipe.on("data", createFrameReader((frame) => { if (frame.kind === "packet") tell({ type: "figures", viewers: [] }); }));`,
    async ({ supervisor, gone, messages }) => {
      await supervisor.ready();
      for (let i = 1; i <= 3; i += 1) {
        clock.advance(9_000);
        supervisor.packet(1, 0, new Uint8Array(10), 0);
        await until("a word", () => messages.length === 1 + i);
      }
      assert.deepEqual(gone, []);
      clock.advance(11_000);
      await until("its end", () => gone.length > 0);
      assert.deepEqual(gone, ["its process ended (SIGKILL)"]);
    },
    clock,
  );
});

test("a process that talks nonsense is killed, and its nonsense costs nobody anything", () =>
  withChild(
    `tell({ type: "ready" });
    pipe.write(encodeFrame({ kind: "message", text: "{" }));
    pipe.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0]));`,
    async ({ supervisor, gone }) => {
      await supervisor.ready();
      await until("its end", () => gone.length > 0);
    },
  ));
