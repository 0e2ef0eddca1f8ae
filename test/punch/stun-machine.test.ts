import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PunchEvent, PunchMachine } from "../../src/punch/machine.ts";
import { createStunMachine, type StunMachineOptions } from "../../src/punch/stun-machine.ts";
import { attributeTypes as types } from "../../src/stun/attribute-types.ts";
import { encodeErrorCode } from "../../src/stun/attributes/error-code.ts";
import { encodeMessage } from "../../src/stun/message.ts";
import { limitsWith } from "../relay/support.ts";
import { assertThrowsCode, messageOf } from "../stun/support.ts";
import { mutatedBytes } from "../support/bytes.ts";
import { viewKey } from "../support/punch-request.ts";
import { createSeededRandom } from "../support/seeded-random.ts";
import { pathMs, type SimulatedNetwork, simulate } from "./network.ts";

function machine(options: Partial<StunMachineOptions> = {}): PunchMachine {
  const random = createSeededRandom(3);
  const session = "0123456789abcdef";
  return createStunMachine({
    role: "viewer",
    component: 0,
    session,
    username: "live",
    password: viewKey,
    random,
    ...options,
  });
}

const grants = ({ log }: SimulatedNetwork) => log.filter(({ event }) => event.type === "granted");
const isOpen = (network: SimulatedNetwork): boolean => network.core().holes.at(network.mapped) !== undefined;

test("joins in two round trips and tells what the relay says", () => {
  const network = simulate(machine());
  network.clock.advance(4 * pathMs);
  const granted: PunchEvent = {
    type: "granted",
    mapped: "203.0.113.1:40000",
    lifetimeMs: 30_000,
    rttMs: 2 * pathMs,
    components: 4,
    publisherLive: false,
  };
  assert.deepEqual(network.log, [{ at: 1_000 + 4 * pathMs, event: granted }]);
  assert.equal(network.sent.length, 2);
  assert.ok(isOpen(network));
});

test("asks for consent every 4 to 6 s, at times of its own", () => {
  const network = simulate(machine());
  network.clock.advance(600_000);
  const times = network.sent.map(({ at }) => at).slice(1);
  // Every 30 s or more the nonce is stale, and the request after it follows at once.
  const gaps = times
    .slice(1)
    .map((at, i) => at - (times[i] ?? 0))
    .filter((gap) => gap > 2 * pathMs);
  assert.ok(
    gaps.every((gap) => gap >= 4_000 && gap <= 6_000 + 2 * pathMs),
    gaps.join(),
  );
  assert.ok(Math.max(...gaps) - Math.min(...gaps) > 1_000, "jittered");
  assert.ok(gaps.length > 90);
  assert.ok(isOpen(network));
});

test("joins over a path that loses half of everything, and keeps its hole", () => {
  let joined = 0;
  for (let seed = 1; seed <= 50; seed += 1) {
    const network = simulate(machine({ random: createSeededRandom(seed) }), { seed });
    network.loss = 0.5;
    network.clock.advance(60_000);
    if (grants(network).length > 0) joined += 1;
    let closed = 0;
    for (let second = 0; second < 120; second += 1) {
      network.clock.advance(1_000);
      if (!isOpen(network)) closed += 1;
    }
    assert.ok(closed <= 60, `seed ${seed}: closed for ${closed} s of 120`);
  }
  assert.equal(joined, 50, "all of them, within a minute");
});

test("unanswered requests back off to 2.5 s and no further", () => {
  const network = simulate(machine());
  network.relayUp = false;
  network.clock.advance(120_000);
  const gaps = network.sent.slice(1).map(({ at }, i) => at - (network.sent[i]?.at ?? 0));
  assert.ok((gaps[0] ?? 0) >= 400 && (gaps[0] ?? 0) <= 600, "RFC 8489 §6.2.1: 500 ms first");
  assert.ok(Math.max(...gaps) <= 2_500);
  assert.ok(gaps.length < 80);
});

test("a NAT that gives a new mapping moves the hole", () => {
  const network = simulate(machine());
  network.clock.advance(10_000);
  const before = network.core().holes.at(network.mapped)?.id;
  network.mapped = { address: "203.0.113.1", port: 50_000 };
  network.clock.advance(6_000 + 4 * pathMs);
  assert.equal(network.core().holes.at(network.mapped)?.id, before);
  assert.equal(network.core().holes.count(), 1);
  const last = grants(network).at(-1)?.event;
  assert.equal(last?.type === "granted" && last.mapped, "203.0.113.1:50000");
});

test("punching at once moves it at once", () => {
  const network = simulate(machine());
  network.clock.advance(1_000);
  network.mapped = { address: "203.0.113.2", port: 50_000 };
  network.punchNow();
  network.clock.advance(4 * pathMs);
  assert.ok(isOpen(network));
});

test("a relay that comes back, with secrets of its own, has its viewer again within 5 s", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const network = simulate(machine({ random: createSeededRandom(seed) }), { seed });
    network.clock.advance(10_000 + seed * 317);
    network.relayUp = false;
    network.clock.advance(20_000);
    network.restartRelay();
    network.relayUp = true;
    network.clock.advance(5_000);
    assert.ok(isOpen(network), `seed ${seed}`);
  }
});

test("a relay that was gone for a moment only is found by punching when media stops", () => {
  const network = simulate(machine());
  network.clock.advance(10_000);
  network.restartRelay();
  network.clock.advance(1_000);
  network.punchNow();
  network.clock.advance(4 * pathMs);
  assert.ok(isOpen(network));
});

test("a wrong key is refused for good", () => {
  const network = simulate(machine({ password: "not-the-key" }));
  network.clock.advance(1_000);
  assert.deepEqual(
    network.log.map(({ event }) => event),
    [{ type: "refused", code: 401, reason: "Unauthenticated", final: true }],
  );
  assert.equal(network.core().holes.count(), 0);
});

test("a full relay is asked again at the pace of consent; what cannot change is refused for good", () => {
  const full = simulate(machine(), { limits: limitsWith({ holesTotal: 0 }) });
  full.clock.advance(60_000);
  const times = full.log.filter(({ event }) => event.type === "refused" && event.code === 486 && !event.final);
  assert.equal(times.length, full.log.length);
  assert.ok(times.length >= 9 && times.length <= 16, `${times.length} refusals in a minute`);
  const beyond = simulate(machine({ component: 200 }));
  beyond.clock.advance(1_000);
  const refused = beyond.log[0]?.event;
  assert.ok(refused?.type === "refused" && refused.code === 400 && refused.final);
});

test("leaving closes the hole; there is nothing to leave before the first challenge", () => {
  const network = simulate(machine());
  network.clock.advance(1_000);
  network.leave();
  network.clock.advance(pathMs);
  assert.ok(!isOpen(network));
  assert.equal(machine().leave(0), undefined);
});

test("the first request is as long as the challenge, for the longest names that there are", () => {
  for (const username of ["live", "l".repeat(64), `999999999999999:${"l".repeat(64)}:publish`]) {
    const network = simulate(machine({ username }));
    network.clock.advance(4 * pathMs);
    assert.ok(network.sent.length >= 2, "the challenge came");
    assert.ok((network.sent[0]?.length ?? 0) <= 200, "and it was not padded without measure");
  }
});

test("counts what went unanswered", () => {
  const punching = machine();
  const network = simulate(punching);
  network.clock.advance(1_000);
  assert.equal(punching.unanswered(), 0);
  network.relayUp = false;
  network.clock.advance(20_000);
  assert.ok(punching.unanswered() >= 6);
  network.relayUp = true;
  network.clock.advance(3_000);
  assert.equal(punching.unanswered(), 0);
});

test("a user name or key that STUN cannot carry is refused before anything is sent", () => {
  assertThrowsCode("BAD_OPTION", () => machine({ username: "a\u0000b" }));
  assertThrowsCode("BAD_OPTION", () => machine({ username: "x".repeat(600) }));
  assertThrowsCode("BAD_OPTION", () => machine({ password: "a\nb" }));
});

/** An error response to `request`, with these attributes. */
function errorTo(request: Uint8Array, code: number, attributes: { type: number; value: Uint8Array }[]): Uint8Array {
  const { transactionId } = messageOf(request);
  const error = { type: types.errorCode, value: encodeErrorCode({ code, reason: "Unauthenticated" }) };
  return encodeMessage({ messageClass: "error", method: 1, transactionId, attributes: [error, ...attributes] });
}

test("a challenge with oversized parts is refused, not echoed", () => {
  const ok = {
    realm: Buffer.from("punchcast"),
    nonce: Buffer.from("obMatJos2AAABtoken"),
    algorithms: Uint8Array.of(0, 2, 0, 0, 0, 1, 0, 0),
  };
  for (const [parts, answered] of [
    [{}, true],
    [{ realm: Buffer.alloc(200, "r") }, true],
    [{ realm: Buffer.alloc(764, "r") }, false],
    [{ nonce: Buffer.concat([ok.nonce, Buffer.alloc(750, "n")]) }, false],
    [{ algorithms: Uint8Array.from({ length: 60_000 }, (_, i) => ok.algorithms[i % 8] ?? 0) }, false],
  ] as const) {
    const { realm, nonce, algorithms } = { ...ok, ...parts };
    const punching = machine();
    const request = punching.poll(0) ?? new Uint8Array();
    const outcome = punching.receive(
      errorTo(request, 401, [
        { type: types.realm, value: realm },
        { type: types.nonce, value: nonce },
        { type: types.passwordAlgorithms, value: algorithms },
      ]),
      10,
    );
    assert.equal(outcome === "quiet", answered, JSON.stringify(outcome));
    const next = punching.poll(10_000);
    assert.ok(next && next.length < 2_000);
  }
});

test("challenges without end are answered at the pace of retries", () => {
  const punching = machine();
  let requests = 0;
  for (let now = 0; now < 10_000; now += 10) {
    const request = punching.poll(now);
    if (request === undefined) continue;
    requests += 1;
    punching.receive(
      errorTo(request, 438, [
        { type: types.realm, value: Buffer.from("punchcast") },
        { type: types.nonce, value: Buffer.from("obMatJos2AAABtoken") },
        { type: types.passwordAlgorithms, value: Uint8Array.of(0, 2, 0, 0) },
      ]),
      now,
    );
  }
  assert.ok(requests < 20, `${requests} requests in 10 s`);
});

test("nothing that arrives makes the machine throw or believe it", () => {
  const random = createSeededRandom(5);
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    mutatedBytes(fc.constant(errorTo(machine({ random }).poll(0) ?? new Uint8Array(), 401, []))),
  );
  fc.assert(
    fc.property(fc.array(bytes, { maxLength: 20 }), (datagrams) => {
      const punching = machine({ random: createSeededRandom(5) });
      for (const [i, datagram] of datagrams.entries()) {
        const outcome = punching.receive(datagram, i);
        assert.ok(outcome === undefined || outcome === "quiet" || outcome.type === "refused");
        punching.poll(i * 1_000);
      }
    }),
  );
});
