import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { watch } from "../../src/watch/watch.ts";
import type { WatchEvent } from "../../src/watch/watch-events.ts";
import { rtpPacket } from "../relay/support.ts";
import { freePorts, openPeer, startRelay, withCleanup } from "../server/support.ts";
import { viewKey } from "../support/punch-request.ts";
import { until } from "../support/until.ts";

test("what comes while the ports are still being opened reaches the player too, in order", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const sender = use(await openPeer());
    let number = 0;
    const timer = setInterval(() => {
      number += 1;
      sender.send(rtpPacket(number), { address: "127.0.0.1", port: relay.ingestPort });
    }, 1);
    use({ close: async () => clearInterval(timer) });
    await until("a stream", () => number > 20);
    for (let viewer = 0; viewer < 5; viewer += 1) {
      const port = await freePorts(4);
      const player = use(await openPeer("127.0.0.1", port));
      const events: WatchEvent[] = [];
      const target = parsePunchUrl(`punch://127.0.0.1:${relay.punchPort}/live?key=${viewKey}`);
      const watching = await watch({ target, port, onEvent: (event) => events.push(event) });
      await until("packets", () => player.got.length > 50);
      await watching.close();
      const last = events.findLast((event) => event.event === "stats");
      const came = last?.event === "stats" ? last.components[0]?.packets : undefined;
      await until("all of them", () => player.got.length === came);
      const numbers = player.got.map(({ bytes }) => ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0));
      assert.deepEqual(
        numbers,
        numbers.map((_, i) => (numbers[0] ?? 0) + i),
      );
    }
  }));
