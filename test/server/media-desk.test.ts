import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Endpoint } from "../../src/core/address.ts";
import { noEffects } from "../../src/relay/events.ts";
import type { Flow, ForwardingChange } from "../../src/relay/forwarding.ts";
import { createHoles, type Hole } from "../../src/relay/holes.ts";
import { defaultLimits } from "../../src/relay/limits.ts";
import { createStream } from "../../src/relay/stream.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { ntpFromWallMs } from "../../src/rtp/ntp.ts";
import { decodeRtcp, encodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import { createMediaDesk, type MediaDesk, type MediaDeskOptions } from "../../src/server/media-desk.ts";
import { mediaSsrc, numberOf, packet } from "../media/support.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const relay: Endpoint = { address: "198.51.100.1", port: 9000 };
const publisherAt = (component: number): Endpoint => ({ address: "203.0.113.99", port: 40_000 + component });
const viewerAt = (component: number): Endpoint => ({ address: "203.0.113.7", port: 7_000 + component });

interface Rig extends MediaDesk {
  readonly clock: FakeClock;
  /** Datagrams that left, and to whom. */
  readonly sent: { readonly to: Endpoint; readonly bytes: Uint8Array }[];
  readonly delivered: { readonly component: string; readonly bytes: Uint8Array; readonly flow: Flow }[];
  readonly opened: ForwardingChange[];
  readonly told: string[];
  /** Opens the viewer's hole of a component. */
  hole(component: number): Hole;
  /** A picture a packet, 40 ms apart; a key frame every tenth. */
  play(...numbers: number[]): void;
  /** The packets sent to an endpoint so far. */
  rtcpTo(to: Endpoint): RtcpPacket[];
  rtpTo(to: Endpoint): number[];
}

/** A desk with one stream of two tracks, whose publisher feeds these components. */
function rig(options: Partial<MediaDeskOptions> & { readonly fed?: readonly number[] } = {}): Rig {
  const { fed = [0, 1, 2, 3], ...others } = options;
  const clock = createFakeClock(1_000);
  const keys = { viewKey: "view", publishKey: "publish" };
  const stream = createStream({ name: "live", components: 4, ingestPort: 9099, from: [], ...keys });
  const holes = createHoles(defaultLimits);
  const [sent, delivered, opened, told]: [Rig["sent"], Rig["delivered"], Rig["opened"], Rig["told"]] = [[], [], [], []];
  const flowOf = (_stream: string, component: number): Flow | undefined =>
    fed.includes(component)
      ? { local: { ...relay, port: 9099 + component }, publisher: publisherAt(component) }
      : undefined;
  const desk = createMediaDesk({
    ...{ clock, random: createSeededRandom(1), cache: true },
    core: { streams: new Map([["live", stream]]), holes, publishers: { flowOf } },
    described: () => ({ kind: "video", codec: "H264", clockRate: 90_000 }),
    deliver: (component, bytes, flow) => void delivered.push({ component, bytes: bytes.slice(), flow }),
    onRestart: (name, component, kind) => void told.push(`${name}/${component} ${kind}`),
    send: (_local, to, bytes) => sent.push({ to, bytes }) > 0,
    open: async (change) => void opened.push(change),
    mtuOf: () => undefined,
    warn: (message) => void told.push(message),
    tellMediaWithin: (ms) => void told.push(`within ${ms} ms`),
    ...others,
  });
  const to = (wanted: Endpoint): Uint8Array[] =>
    sent.filter(({ to: { port } }) => port === wanted.port).map(({ bytes }) => bytes);
  return {
    ...{ ...desk, clock, sent, delivered, opened, told },
    hole(component) {
      const id = `live/session/${component}`;
      const at = { local: relay, remote: viewerAt(component) };
      holes.renew({ id, stream, component, by: "key", ...at }, clock.now(), noEffects());
      return holes.get(id) ?? assert.fail();
    },
    play(...numbers) {
      for (const number of numbers) {
        desk.onCarried("live/0", picture(number), clock.now());
        clock.advance(40);
      }
    },
    rtcpTo: (endpoint) =>
      to(endpoint).flatMap((bytes) => {
        const packets = decodeRtcp(bytes);
        return packets.ok ? packets.value : [];
      }),
    rtpTo: (endpoint) => to(endpoint).map(numberOf),
  };
}

function picture(number: number): Uint8Array {
  const fields = { payloadType: 96, marker: true, sequenceNumber: number & 0xffff, ssrc: mediaSsrc };
  return encodeRtp({ ...fields, timestamp: number * 3_600 }, Uint8Array.of(number % 10 === 0 ? 0x65 : 0x41, 0x88, 1));
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const nack = (...sequenceNumbers: number[]): Uint8Array =>
  encodeRtcp([{ type: "nack", senderSsrc: 1, mediaSsrc, sequenceNumbers }]);
const pli = encodeRtcp([{ type: "pli", senderSsrc: 1, mediaSsrc }]);

test("what a viewer asks for goes to its hole for packets, from whichever of the two it asks", () => {
  const { play, hole, onFeedback, rtpTo, sent } = rig();
  play(...range(1, 20));
  const [media, reports] = [hole(0), hole(1)];
  onFeedback(media, nack(5));
  assert.deepEqual(rtpTo(viewerAt(0)), [5]);
  onFeedback(reports, nack(6, 7));
  assert.deepEqual(rtpTo(viewerAt(0)), [5, 6, 7]);
  assert.deepEqual(rtpTo(viewerAt(1)), []);
  const [first] = sent.filter(({ to }) => to.port === viewerAt(0).port);
  assert.deepEqual(first?.bytes, picture(5));
  assert.equal(first?.bytes.buffer.byteLength, first?.bytes.length, "a copy: the socket may hold it for long");
});

test("who has a hole for RTCP only is sent no packets", () => {
  const { play, hole, onFeedback, sent, fare } = rig();
  play(...range(1, 20));
  sent.length = 0;
  onFeedback(hole(1), nack(6));
  assert.deepEqual(sent, []);
  assert.equal(fare("live").viewers[0]?.component, 0);
});

test("a wish for a key frame reaches the publisher's RTCP port at once, merged with those that follow", () => {
  const { play, hole, onFeedback, rtcpTo, clock } = rig();
  play(1, 2, 3);
  const [media, reports] = [hole(0), hole(1)];
  const wishes = (): number => rtcpTo(publisherAt(1)).filter(({ type }) => type === "pli").length;
  onFeedback(media, pli);
  assert.equal(wishes(), 1);
  onFeedback(reports, pli);
  assert.equal(wishes(), 1);
  clock.advance(1_100);
  assert.equal(wishes(), 2);
});

test("a publisher that sends no RTCP is sent none", () => {
  const { play, hole, onFeedback, sent, clock } = rig({ fed: [0] });
  play(1, 2, 4);
  onFeedback(hole(0), pli);
  clock.advance(10_000);
  assert.deepEqual(sent, []);
});

test("the publisher hears of its leg while nothing drives it but the clock, and is asked for what it lost", () => {
  const { play, rtcpTo, clock, close } = rig();
  play(...range(1, 20), 21);
  const asked = rtcpTo(publisherAt(1)).find(({ type }) => type === "nack");
  assert.deepEqual(asked?.type === "nack" && asked.sequenceNumbers, [20]);
  clock.advance(5_000);
  const report = rtcpTo(publisherAt(1)).find(({ type }) => type === "receiver-report");
  assert.equal(report?.type === "receiver-report" && report.reports[0]?.cumulativeLost, 1);
  const before = rtcpTo(publisherAt(1)).length;
  play(22, 24);
  assert.ok(rtcpTo(publisherAt(1)).length > before);
  close();
  const last = rtcpTo(publisherAt(1)).length;
  clock.advance(20_000);
  assert.equal(rtcpTo(publisherAt(1)).length, last, "after the end nothing is scheduled");
});

test("a viewer's report is not passed on, and counts until its hole closes", () => {
  const { play, hole, onFeedback, sent, fare, take } = rig();
  play(...range(1, 20));
  sent.length = 0;
  const block = { ssrc: mediaSsrc, fractionLost: 64, cumulativeLost: 5, highestSequenceNumber: 19, jitter: 0 };
  const reports = [{ ...block, lastSenderReport: 0, delaySinceSenderReport: 0 }];
  onFeedback(hole(0), encodeRtcp([{ type: "receiver-report", ssrc: 1, reports }]));
  assert.deepEqual(sent, []);
  assert.equal(fare("live").viewers[0]?.worstLossFraction, 0.25);
  const close: ForwardingChange = { type: "close-hole", hole: "live/session/0" };
  assert.deepEqual(take([close]), [close]);
  assert.equal(fare("live").viewers[0]?.viewers, 0);
});

test("a report that was kept back is told to the viewers of the track's RTCP, as from the publisher", () => {
  const { onIngest, play, delivered } = rig();
  const report = encodeRtcp([
    {
      ...{ type: "sender-report", ssrc: mediaSsrc, ntp: ntpFromWallMs(1_790_000_000_000) },
      ...{ rtpTimestamp: 0, packetCount: 0, octetCount: 0, reports: [] },
    },
  ]);
  assert.notDeepEqual(onIngest("live/1", report), report);
  assert.equal(delivered.length, 0);
  play(...range(0, 3));
  const [told] = delivered;
  assert.deepEqual([told?.component, told?.flow.publisher], ["live/1", publisherAt(0)]);
  const packets = decodeRtcp(told?.bytes ?? new Uint8Array());
  assert.ok(packets.ok && packets.value[0]?.type === "sender-report");
});

test("media passes as it came, on whichever component", () => {
  const { onIngest } = rig();
  const bytes = picture(1);
  assert.equal(onIngest("live/0", bytes), bytes);
  assert.equal(onIngest("live/1", bytes), bytes);
  assert.equal(onIngest("elsewhere/0", bytes), bytes);
});

test("a newcomer catches up before the plane hears of it; one that cannot, joins at once and gets a key frame soon", async () => {
  const late = rig();
  late.play(...range(10, 16));
  const open: ForwardingChange = {
    ...{ type: "open-hole", hole: "live/session/0", component: "live/0" },
    target: { local: relay, remote: viewerAt(0) },
  };
  assert.deepEqual(late.take([open]), []);
  await late.clock.advanceSettling(200);
  assert.deepEqual(late.rtpTo(viewerAt(0)), range(10, 16));
  assert.deepEqual(late.opened, [open]);
  const live = rig({ cache: false });
  live.play(...range(10, 16));
  assert.deepEqual(live.take([open]), [open]);
  assert.ok(live.rtcpTo(publisherAt(1)).some(({ type }) => type === "pli"));
});

test("a publisher's new start is told with the stream's name", () => {
  const { onCarried, told, clock } = rig();
  for (const ssrc of [1, 2]) {
    for (const number of range(0, 10)) onCarried("live/2", packet(number, { ssrc }), clock.now());
    clock.advance(1_000);
  }
  assert.deepEqual(told, ["live/2 new-ssrc"]);
});

test("packets too large for a viewer's path are counted once the path is known", () => {
  const { hole, onCarried, fare, told, clock } = rig({ mtuOf: () => 1_400 });
  hole(0);
  const large = packet(1, { length: 1_373 });
  onCarried("live/0", large, clock.now());
  assert.equal(fare("live").oversized, 0);
  clock.advance(5_000);
  assert.match(told[0] ?? "", /'live' has packets of 1373 bytes, and the path to 203\.0\.113\.7:7000 takes 1372/);
  onCarried("live/0", large, clock.now());
  assert.equal(fare("live").oversized, 1);
});

test("a stream's fare: how its ingest goes, and what was sent again on all tracks", () => {
  const { play, hole, onFeedback, onCarried, fare, clock } = rig();
  play(...range(1, 20));
  for (const number of range(1, 20)) onCarried("live/2", packet(number, { ssrc: 9 }), clock.now());
  onFeedback(hole(0), nack(5, 500));
  onFeedback(hole(2), encodeRtcp([{ type: "nack", senderSsrc: 1, mediaSsrc: 9, sequenceNumbers: [3] }]));
  const { ingest, repair } = fare("live");
  assert.deepEqual(repair, { resent: 2, refused: 1 });
  assert.deepEqual([ingest(0)?.codec, ingest(0)?.keyFrameIntervalMs, ingest(1)], ["H264", undefined, undefined]);
  assert.deepEqual(fare("elsewhere").repair, { resent: 0, refused: 0 });
});

test("no bytes make it throw: media, RTCP of publishers and of viewers, on any component", () => {
  const rtcpLike = fc
    .tuple(fc.nat(31), fc.integer({ min: 200, max: 207 }), fc.uint8Array({ maxLength: 60 }))
    .map(([count, type, body]) => {
      const words = body.subarray(0, body.length & ~3);
      return Uint8Array.of(0x80 | count, type, 0, words.length / 4, ...words);
    });
  const rtpLike = fc
    .tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 }))
    .map(([second, rest]) => Uint8Array.of(0x80, second, ...rest));
  const sound = fc.oneof(
    fc.tuple(fc.nat(40), fc.nat(3)).map(([number, ssrc]) => packet(number, { ssrc, length: 30 })),
    fc.array(fc.nat(40), { minLength: 1, maxLength: 40 }).map((numbers) => nack(...numbers)),
    fc.constant(pli),
  );
  const datagram = fc.record({
    bytes: fc.oneof(fc.uint8Array({ maxLength: 80 }), rtcpLike, rtpLike, sound),
    component: fc.nat(4),
    way: fc.constantFrom("ingest", "carried", "feedback", "come", "go"),
    waitMs: fc.oneof(fc.constant(0), fc.nat(300)),
  });
  fc.assert(
    fc.property(fc.array(datagram, { minLength: 20, maxLength: 60 }), fc.boolean(), (datagrams, cache) => {
      const desk = rig({ cache, described: () => undefined });
      const holes = range(0, 4).map(desk.hole);
      for (const { bytes, component, way, waitMs } of datagrams) {
        const [id, hole] = [`live/${component}`, holes[component]];
        const target = { local: relay, remote: viewerAt(component) };
        if (way === "ingest") desk.onIngest(id, bytes);
        else if (way === "carried") desk.onCarried(id, bytes, desk.clock.now());
        else if (way === "come") desk.take([{ type: "open-hole", hole: `${id}/x`, component: id, target }]);
        else if (way === "go") desk.take([{ type: "close-hole", hole: `${id}/x` }]);
        else if (hole !== undefined) desk.onFeedback(hole, bytes);
        desk.clock.advance(waitMs);
      }
      desk.fare("live");
      desk.close();
    }),
    { numRuns: 300 },
  );
});

test("packets are told soon while somebody hears them", () => {
  const { listen, told } = rig();
  const [first, second] = [listen("live", () => {}), listen("live", () => {})];
  first();
  first();
  assert.deepEqual(told, ["within 5 ms"]);
  second();
  listen("live", () => {});
  assert.deepEqual(told, ["within 5 ms", "within 20 ms", "within 5 ms"]);
});
