import assert from "node:assert/strict";
import { test } from "node:test";
import { rtcpPacket, rtpPacket } from "../relay/support.ts";
import { publishKey, punchRequest, readAnswer } from "../support/punch-request.ts";
import { until } from "../support/until.ts";
import { openPeer, startRelay, withCleanup } from "./support.ts";

test("nobody without the key gets more bytes than he sends, counted on the socket", () =>
  withCleanup(async (use) => {
    const relay = use(await startRelay());
    const sender = use(await openPeer());
    const thief = use(await openPeer("127.0.0.2"));
    const honest = use(await openPeer("127.0.0.3"));
    honest.send(punchRequest(), relay.punchAt());
    await until("the honest one's challenge", () => honest.got.length === 1);
    const { challenge } = readAnswer(honest.got[0]?.bytes);
    assert.ok(challenge);
    const requests = [
      punchRequest(),
      punchRequest({ padding: 0 }),
      punchRequest({ challenge }),
      punchRequest({ challenge, role: "publisher", key: publishKey }),
      punchRequest({ challenge, key: "wrong-key-of-live" }),
      Buffer.from("0"),
      rtpPacket(),
      rtcpPacket,
    ];
    let sent = 0;
    for (let round = 0; round < 20; round += 1) {
      for (const request of requests) {
        thief.send(request, relay.punchAt());
        sent += request.length;
      }
      sender.send(rtpPacket(round, 1_000), { address: "127.0.0.1", port: relay.ingestPort });
    }
    await until("all of it refused", () => {
      const all = Object.values(relay.stats().refused).reduce((sum, count) => sum + count, 0);
      return all >= 20 * requests.length + 1;
    });
    const received = thief.got.reduce((sum, { bytes }) => sum + bytes.length, 0);
    assert.ok(received > 0 && received <= sent, `${received} of ${sent}`);
    assert.ok(
      thief.got.every(({ bytes }) => (bytes[0] ?? 0xff) < 4),
      "answers only, no media",
    );
    assert.equal(relay.stats().streams[0]?.holes, 0);
  }));
