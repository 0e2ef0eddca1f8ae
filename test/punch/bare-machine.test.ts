import assert from "node:assert/strict";
import { test } from "node:test";
import { createBareMachine } from "../../src/punch/bare-machine.ts";
import { assertThrowsCode } from "../stun/support.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

const random = createSeededRandom(1);

test("sends its component's digit at once, then every 4 to 6 s", () => {
  const machine = createBareMachine({ component: 3, random });
  const times: number[] = [];
  for (let now = 0; now < 60_000; now += 10) {
    const bytes = machine.poll(now);
    if (bytes === undefined) continue;
    assert.deepEqual([...bytes], [0x33]);
    times.push(now);
  }
  assert.equal(times[0], 0);
  for (const [i, at] of times.slice(1).entries()) {
    const gap = at - (times[i] ?? 0);
    assert.ok(gap >= 4_000 && gap <= 6_010, String(gap));
  }
});

test("punches at once when told; takes nothing, leaves without a word", () => {
  const machine = createBareMachine({ component: 0, random });
  machine.poll(0);
  assert.equal(machine.poll(1), undefined);
  machine.punchNow(1);
  assert.ok(machine.poll(1));
  assert.equal(machine.receive(Buffer.from("0"), 2), undefined);
  assert.equal(machine.leave(3), undefined);
  assert.equal(machine.unanswered(), 0);
});

test("a component that has no digit is refused", () => {
  assertThrowsCode("BAD_OPTION", () => createBareMachine({ component: 10, random }));
});
