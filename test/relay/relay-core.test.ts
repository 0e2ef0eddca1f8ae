import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Endpoint } from "../../src/core/address.ts";
import { mutatedBytes } from "../support/bytes.ts";
import { type Challenge, publishKey, punchRequest, readAnswer, viewKey } from "../support/punch-request.ts";
import {
  type Bench,
  createBench,
  eventNames,
  host,
  limitsWith,
  makeStream,
  refusalOf,
  replyOf,
  rtcpPacket,
  rtpPacket,
} from "./support.ts";

const viewer = host(1);
const publisher = host(9);
const asPublisher = { role: "publisher", key: publishKey } as const;

test("media at an ingest port is its component's", () => {
  const bench = createBench();
  const { verdict, effects } = bench.ingest(publisher, 2);
  assert.deepEqual(verdict, { kind: "media", component: "live/2" });
  assert.deepEqual(eventNames(effects), ["publisher-live"]);
  assert.deepEqual(bench.ingest(host(8), 2).verdict, { kind: "handled", refusal: "publisher-busy" });
});

test("a publisher with the key feeds through the punch port, and nobody else does", () => {
  const bench = createBench();
  assert.equal(refusalOf(bench.punch(publisher, rtpPacket())), "unknown-source");
  assert.equal(bench.join(publisher, { ...asPublisher, component: 3 }).code, 200);
  assert.deepEqual(bench.punch(publisher, rtpPacket()).verdict, { kind: "media", component: "live/3" });
  assert.deepEqual(bench.punch(publisher, Buffer.from("not RTP")).verdict, { kind: "media", component: "live/3" });
  assert.equal(refusalOf(bench.punch(host(9, 5001), rtpPacket())), "unknown-source");
});

test("a viewer's RTP is dropped, its RTCP is feedback of its hole", () => {
  const bench = createBench();
  bench.join(viewer);
  assert.deepEqual(bench.punch(viewer, rtpPacket()).verdict, { kind: "handled" });
  const holeOf = (from: Endpoint): unknown => {
    const { verdict } = bench.punch(from, rtcpPacket);
    return verdict.kind === "feedback" && [verdict.hole.stream.name, verdict.hole.component, verdict.hole.remote];
  };
  assert.deepEqual(holeOf(viewer), ["live", 0, viewer]);
  bench.join(host(2), { component: 1, session: "1".repeat(16) });
  assert.deepEqual(holeOf(host(2)), ["live", 1, host(2)]);
  assert.equal(refusalOf(bench.punch(host(3), rtcpPacket)), "unknown-source");
});

test("one viewer's feedback is limited, and does not take the others' share", () => {
  const bench = createBench();
  bench.join(viewer);
  bench.join(host(2), { session: "1".repeat(16) });
  const kinds = Array.from({ length: 610 }, () => bench.punch(viewer, rtcpPacket).verdict.kind);
  assert.equal(kinds.filter((kind) => kind === "feedback").length, 600);
  assert.equal(bench.punch(host(2), rtcpPacket).verdict.kind, "feedback");
});

test("LIFETIME 0 closes at once; a repeated older request does not open again", () => {
  for (const fields of [{}, asPublisher]) {
    const bench = createBench();
    const challenge = bench.challenge(viewer);
    const join = punchRequest({ ...fields, challenge });
    const isIn = (): boolean => bench.core.holes.count() > 0 || bench.core.publishers.flowOf("live", 0) !== undefined;
    assert.equal(readAnswer(replyOf(bench.punch(viewer, join))).lifetime, 30);
    assert.ok(isIn());
    const left = bench.punch(viewer, punchRequest({ ...fields, challenge, leaves: true }), 1_000);
    assert.equal(readAnswer(replyOf(left)).lifetime, 0);
    assert.ok(!isIn());
    for (let now = 1_000; now <= 120_000; now += 500) {
      bench.tick(now);
      bench.punch(viewer, join, now);
      assert.ok(!isIn(), `${now} ms`);
    }
  }
});

test("a goodbye that overtakes the request it ends wins", () => {
  const bench = createBench();
  const challenge = bench.challenge(viewer);
  bench.punch(viewer, punchRequest({ challenge, leaves: true }));
  assert.equal(readAnswer(replyOf(bench.punch(viewer, punchRequest({ challenge })))).lifetime, 0);
  assert.equal(bench.core.holes.count(), 0);
});

test("goodbyes under ever new names push out the oldest only", () => {
  const bench = createBench({ limits: limitsWith({ holesTotal: 3 }) });
  const challenge = bench.challenge(viewer);
  const session = (n: number): string => String(n).padStart(16, "0");
  const say = (n: number, leaves: boolean) =>
    readAnswer(replyOf(bench.punch(viewer, punchRequest({ challenge, session: session(n), leaves })))).lifetime;
  for (let n = 1; n <= 4; n += 1) say(n, true);
  assert.deepEqual(
    [2, 3, 4, 1].map((n) => say(n, false)),
    [0, 0, 0, 30],
  );
});

test("a session that comes from a new address takes its hole along, with a nonce of its own", () => {
  const bench = createBench();
  bench.join(viewer);
  bench.join(host(1, 6000), {}, 1_000);
  assert.deepEqual(eventNames({ changes: [], events: bench.events }), ["hole-opened", "hole-moved"]);
  assert.equal(bench.core.holes.at(viewer), undefined);
});

test("streams keep to themselves", () => {
  const other = makeStream({ name: "other", viewKey: "view-key-of-other", components: 1 });
  const bench = createBench({ streams: [makeStream(), other] });
  assert.equal(bench.join(viewer, { username: "other", key: viewKey }).code, 401);
  assert.equal(bench.join(viewer, { username: "other", key: "view-key-of-other" }).components, 1);
  assert.equal(bench.core.holes.count("live"), 0);
  assert.equal(bench.core.holes.count("other"), 1);
});

/** Few enough sources that they meet each other, different in address, port and family. */
const anySource: fc.Arbitrary<Endpoint> = fc.constantFrom(
  host(1),
  host(1, 5001),
  host(2),
  { address: "2001:db8::1", port: 5000 },
  { address: "2001:db8::1", port: 5001 },
);

/** A request as somebody sends it who lacks the keys but not the wish, `nonceOf` saying whose challenge it answers. */
const forged = fc.record({
  kind: fc.constant("forged" as const),
  role: fc.constantFrom("viewer", "publisher"),
  username: fc.constantFrom("live", "other", "1999999999:live", "1999999999:live:publish"),
  key: fc.constantFrom("guess", "", viewKey.slice(1)).filter((key) => key !== ""),
  component: fc.nat(255),
  leaves: fc.boolean(),
  signed: fc.boolean(),
  padding: fc.nat(200),
});
const junk = fc.record({
  kind: fc.constant("junk" as const),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    mutatedBytes(fc.constantFrom(punchRequest(), rtpPacket(), rtcpPacket, Buffer.from("0"))),
  ),
});
/** An honest viewer's datagrams, overheard and sent again: as they were or spoilt, later, from elsewhere. */
const replay = fc.record({ kind: fc.constant("replay" as const), which: fc.nat(), spoil: fc.option(fc.nat()) });
const attack = fc.tuple(anySource, fc.oneof(forged, junk, replay), fc.nat(3_000));

/** Every datagram that an honest viewer and an honest publisher send, told to `bench` and kept. */
function overhear(bench: Bench, from: Endpoint): Uint8Array[] {
  const hello = punchRequest();
  const challenge = readAnswer(replyOf(bench.punch(from, hello))).challenge;
  assert.ok(challenge);
  const sent = [hello];
  for (const fields of [{}, asPublisher, { leaves: true }]) sent.push(punchRequest({ ...fields, challenge }));
  return sent;
}

test("before proof: no reply is larger than its request and nothing opens, whatever is sent in whatever order", () => {
  fc.assert(
    fc.property(fc.array(attack, { maxLength: 40 }), fc.boolean(), (attacks, joined) => {
      const bench = createBench();
      // The honest one's datagrams reach the relay only if `joined`; the thief has copies in any case.
      const honest = host(200);
      const captured = overhear(bench, honest);
      const [, join] = captured;
      if (joined && join) bench.punch(honest, join);
      const before = [...bench.core.holes.values()].map(({ id, remote }) => [id, remote]);
      const challenges = new Map<string, Challenge>();
      let now = 0;
      for (const [from, what, gap] of attacks) {
        now = Math.min(29_000, now + gap);
        const bytes = datagramOf(what, captured, challenges.get(from.address));
        const { verdict, effects } = bench.punch(from, bytes, now);
        assert.equal(verdict.kind, "handled");
        const reply = verdict.kind === "handled" ? verdict.reply : undefined;
        assert.ok((reply?.length ?? 0) <= bytes.length, `${reply?.length} bytes for ${bytes.length}`);
        assert.deepEqual(effects, { changes: [], events: [] });
        const challenge = reply && readAnswer(reply).challenge;
        if (challenge) challenges.set(from.address, challenge);
      }
      assert.deepEqual(
        [...bench.core.holes.values()].map(({ id, remote }) => [id, remote]),
        before,
      );
    }),
    { numRuns: 400 },
  );
});

function datagramOf(
  what: (typeof attack extends fc.Arbitrary<infer T> ? T : never)[1],
  captured: readonly Uint8Array[],
  challenge: Challenge | undefined,
): Uint8Array {
  if (what.kind === "junk") return what.bytes;
  if (what.kind === "replay") {
    const copy = Uint8Array.from(captured[what.which % captured.length] ?? []);
    if (what.spoil !== null) copy[what.spoil % copy.length] = (copy[what.spoil % copy.length] ?? 0) ^ 0x55;
    return copy;
  }
  const { role, username, key, component, leaves, padding, signed } = what;
  const session = "0123456789abcdef";
  return punchRequest({
    ...{ role, username, key, component, session, leaves, padding },
    ...(signed && challenge && { challenge }),
  });
}

test("no datagram makes the core throw, on any port, open or not", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    mutatedBytes(fc.constantFrom(punchRequest(), rtpPacket(), rtcpPacket, Buffer.from("0"), Buffer.from("9"))),
  );
  const source = fc.oneof(anySource, fc.record({ address: fc.ipV4(), port: fc.integer({ min: 1, max: 65_535 }) }));
  const arrival = fc.tuple(source, bytes, fc.nat(5_000), fc.constantFrom("punch", "ingest", "signed"), fc.nat(3));
  fc.assert(
    fc.property(fc.array(arrival, { maxLength: 30 }), fc.boolean(), (arrivals, isOpen) => {
      const bench = createBench({ authSecret: "secret", open: isOpen ? { from: [] } : undefined });
      let now = 0;
      for (const [from, datagram, gap, where, component] of arrivals) {
        now += gap;
        if (where === "ingest") bench.ingest(from, component, now);
        else bench.punch(from, datagram, now);
        // Somebody who does have the key, and changes what is signed.
        if (where === "signed") {
          const role = component % 2 === 0 ? ("viewer" as const) : ("publisher" as const);
          const key = role === "viewer" ? viewKey : publishKey;
          const extra = [{ type: 0x000d, value: datagram.slice(0, 8) }];
          const got = readAnswer(replyOf(bench.punch(from, punchRequest(), now)) ?? punchRequest()).challenge;
          if (got)
            bench.punch(
              from,
              punchRequest({ role, key, component: datagram.length & 0xff, challenge: got, extra }),
              now,
            );
        }
        bench.tick(now);
      }
    }),
    { numRuns: 500 },
  );
});
