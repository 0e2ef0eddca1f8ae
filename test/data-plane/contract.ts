import assert from "node:assert/strict";
import { type TestOptions, test } from "node:test";
import type { Counters, DataPlane } from "../../src/data-plane/data-plane.ts";
import type { Flow, ForwardingChange, HoleTarget } from "../../src/relay/forwarding.ts";

/** A viewer's end of a hole, as the harness of a plane makes it. */
export interface Receiver {
  /** Where the plane has to send, and from where. */
  readonly target: HoleTarget;
  /** What arrived so far, in order. */
  received(): readonly Uint8Array[];
}

/** A plane with a publisher before it and viewers behind it: in memory, on loopback or in network namespaces. */
export interface PlaneHarness {
  readonly plane: DataPlane;
  /** Holes that one flow can feed on this plane. */
  readonly holesPerFlow: number;
  /** True if the plane itself looks for the publisher's flow; false if the relay core does that for it. */
  readonly enforcesFlows: boolean;
  /** Tells the plane that a port beside those of the flows was opened; absent where planes need not know ports. */
  openPort?(): Promise<void>;
  /** The flow that `publish` sends through. */
  flow(component: string): Flow;
  /** A new viewer that listens. */
  addReceiver(): Promise<Receiver>;
  /** The publisher sends these datagrams into the component's flow, in order. */
  publish(component: string, packets: readonly Uint8Array[]): Promise<void>;
  /** Resolves when the plane has dealt with what was published; absent where that is so as soon as `publish` resolves. */
  carried?(): Promise<void>;
  /** Resolves when all that was published has arrived or never will. */
  settle(): Promise<void>;
  /** Frees what the harness made; the plane too. */
  close(): Promise<void>;
}

/** Distinct datagrams of distinct lengths: one byte, then ever longer. */
function packets(count: number, seed = 0): Uint8Array[] {
  return Array.from({ length: count }, (_, i) =>
    Uint8Array.from({ length: 1 + i * 7 }, (_, k) => (seed + i * 31 + k) & 0xff),
  );
}

/** What every data plane must do. Registers tests under `name`, with these options; `createHarness` is called once for each. */
export function dataPlaneContract(
  name: string,
  createHarness: () => Promise<PlaneHarness>,
  options: TestOptions = {},
): void {
  const component = "live/0";
  const open = (hole: string, { target }: Receiver, of = component): ForwardingChange => ({
    type: "open-hole",
    hole,
    component: of,
    target,
  });
  const setFlow = (harness: PlaneHarness, of = component): ForwardingChange => ({
    type: "set-flow",
    component: of,
    flow: harness.flow(of),
  });

  function contract(what: string, body: (harness: PlaneHarness) => Promise<void>): void {
    test(`${name}: ${what}`, options, async () => {
      const harness = await createHarness();
      try {
        await body(harness);
      } finally {
        await harness.close();
      }
    });
  }

  async function send(harness: PlaneHarness, sent: readonly Uint8Array[], of = component): Promise<void> {
    await harness.publish(of, sent);
    await harness.settle();
  }

  async function countersOf({ plane }: PlaneHarness, hole: string): Promise<Counters | undefined> {
    return (await plane.readCounters()).holes.get(hole);
  }

  const bytesIn = (all: readonly Uint8Array[]): number => all.reduce((sum, { length }) => sum + length, 0);

  function assertReceived(receiver: Receiver, expected: readonly Uint8Array[]): void {
    const plain = (all: readonly Uint8Array[]): string[] => all.map((bytes) => Buffer.from(bytes).toString("hex"));
    assert.deepEqual(plain(receiver.received()), plain(expected));
  }

  contract("an open hole gets every packet, unchanged and in order", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([setFlow(harness), open("a", viewer)]);
    const sent = packets(200);
    await send(harness, sent);
    assertReceived(viewer, sent);
    assert.deepEqual(await countersOf(harness, "a"), { packets: 200, bytes: bytesIn(sent), drops: 0 });
  });

  contract("it makes no difference whether the hole or the flow comes first", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([open("a", viewer)]);
    await harness.plane.apply([setFlow(harness)]);
    await send(harness, packets(3));
    assertReceived(viewer, packets(3));
  });

  contract("a hole gets its component only", async (harness) => {
    const [first, second] = [await harness.addReceiver(), await harness.addReceiver()];
    await harness.plane.apply([
      setFlow(harness),
      setFlow(harness, "live/2"),
      open("a", first),
      open("b", second, "live/2"),
    ]);
    await send(harness, packets(2, 1));
    await send(harness, packets(3, 2), "live/2");
    assertReceived(first, packets(2, 1));
    assertReceived(second, packets(3, 2));
  });

  contract("a moved hole gets everything at its new place and nothing at the old one", async (harness) => {
    const [before, after] = [await harness.addReceiver(), await harness.addReceiver()];
    await harness.plane.apply([setFlow(harness), open("a", before)]);
    await send(harness, packets(5, 1));
    await harness.plane.apply([{ type: "move-hole", hole: "a", target: after.target }]);
    await send(harness, packets(5, 2));
    assertReceived(before, packets(5, 1));
    assertReceived(after, packets(5, 2));
    assert.equal((await countersOf(harness, "a"))?.packets, 10, "its counters go along");
  });

  contract("a closed hole gets no packet once the change is applied", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([setFlow(harness), open("a", viewer)]);
    await send(harness, packets(2));
    await harness.plane.apply([{ type: "close-hole", hole: "a" }]);
    await send(harness, packets(9));
    assertReceived(viewer, packets(2));
    const counters = await harness.plane.readCounters();
    assert.equal(counters.holes.has("a"), false);
    assert.deepEqual(counters.components.get(component), { packets: 2, bytes: bytesIn(packets(2)), drops: 0 });
  });

  contract("every change twice is every change once", async (harness) => {
    const [first, second] = [await harness.addReceiver(), await harness.addReceiver()];
    const twice = (...changes: ForwardingChange[]) => harness.plane.apply([...changes, ...changes]);
    await twice(setFlow(harness), open("a", first));
    await harness.plane.apply([open("a", first)]);
    await send(harness, packets(3, 1));
    assertReceived(first, packets(3, 1));
    await harness.plane.apply([open("a", first)]);
    assert.equal((await countersOf(harness, "a"))?.packets, 3, "opening it again is no new start");
    await twice({ type: "move-hole", hole: "a", target: second.target });
    await send(harness, packets(3, 2));
    assertReceived(second, packets(3, 2));
    await twice({ type: "close-hole", hole: "a" });
    await send(harness, packets(3, 3));
    assertReceived(second, packets(3, 2));
  });

  contract("opening a hole again at another place moves it", async (harness) => {
    const [before, after] = [await harness.addReceiver(), await harness.addReceiver()];
    await harness.plane.apply([setFlow(harness), open("a", before), open("a", after)]);
    await send(harness, packets(2));
    assertReceived(before, []);
    assertReceived(after, packets(2));
  });

  contract("opening a hole again for another component takes it off the first", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([setFlow(harness), setFlow(harness, "live/2"), open("a", viewer)]);
    await harness.plane.apply([open("a", viewer, "live/2")]);
    await send(harness, packets(2, 1));
    await send(harness, packets(2, 2), "live/2");
    assertReceived(viewer, packets(2, 2));
  });

  contract("changes for holes and components that are not there are no error", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([
      { type: "close-hole", hole: "nobody" },
      { type: "move-hole", hole: "nobody", target: viewer.target },
      { type: "clear-flow", component: "nothing/0" },
    ]);
    await harness.plane.apply([]);
    await harness.plane.apply([setFlow(harness)]);
    await send(harness, packets(2));
    assertReceived(viewer, []);
    assert.equal((await harness.plane.readCounters()).holes.size, 0);
  });

  contract("a closed hole can be opened again, with counters of its own", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([setFlow(harness), open("a", viewer)]);
    await send(harness, packets(2, 1));
    await harness.plane.apply([{ type: "close-hole", hole: "a" }, open("a", viewer)]);
    await send(harness, packets(3, 2));
    assertReceived(viewer, [...packets(2, 1), ...packets(3, 2)]);
    assert.equal((await countersOf(harness, "a"))?.packets, 3);
    assert.equal((await harness.plane.readCounters()).components.get(component)?.packets, 5);
  });

  contract("a flow that was cleared and set again goes on feeding its holes", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([setFlow(harness), open("a", viewer)]);
    await harness.plane.apply([{ type: "clear-flow", component }]);
    if (harness.enforcesFlows) await send(harness, packets(4, 1));
    assertReceived(viewer, []);
    await harness.plane.apply([setFlow(harness)]);
    await send(harness, packets(2, 2));
    assertReceived(viewer, packets(2, 2));
  });

  contract("many holes on one flow all get everything, while others come and go", async (harness) => {
    const count = Math.min(harness.holesPerFlow, 100);
    const viewers = await Promise.all(Array.from({ length: count }, () => harness.addReceiver()));
    await harness.plane.apply([setFlow(harness), ...viewers.map((viewer, i) => open(`hole-${i}`, viewer))]);
    await send(harness, packets(10, 1));
    const odd = viewers.flatMap((_, i) => (i % 2 === 1 ? [{ type: "close-hole", hole: `hole-${i}` } as const] : []));
    await harness.plane.apply(odd);
    await send(harness, packets(10, 2));
    for (const [i, viewer] of viewers.entries())
      assertReceived(viewer, i % 2 === 1 ? packets(10, 1) : [...packets(10, 1), ...packets(10, 2)]);
    const counters = await harness.plane.readCounters();
    assert.equal(counters.holes.size, count - odd.length);
    assert.equal(counters.components.get(component)?.packets, count * 10 + (count - odd.length) * 10);
  });

  contract(
    "holes that come, move and go under load take nothing from one that stays, and get nothing once gone",
    async (harness) => {
      // One hole a flow leaves none that could stay.
      if (harness.holesPerFlow === 1) return;
      const [stays, ...guests] = await Promise.all(Array.from({ length: 5 }, () => harness.addReceiver()));
      assert.ok(stays !== undefined);
      await harness.plane.apply([setFlow(harness), open("stays", stays)]);
      const numbered = (number: number): Uint8Array => {
        const bytes = Buffer.alloc(200);
        bytes.writeUInt32BE(number);
        return bytes;
      };
      const numbersOf = (receiver: Receiver): number[] =>
        receiver.received().map((bytes) => Buffer.from(bytes).readUInt32BE());
      const rounds = 250;
      /** For each guest the numbers that were sent while it had a hole, as [first, end). */
      const visits: (readonly [number, number])[][] = guests.map(() => []);
      let sent = 0;
      const publishOne = async (): Promise<void> => {
        await harness.publish(component, [numbered(sent)]);
        await harness.carried?.();
        sent += 1;
      };
      for (let round = 0; round < rounds; round += 1) {
        const [from, to] = [round % guests.length, (round + 1) % guests.length];
        const [here, there] = [guests[from], guests[to]];
        if (here === undefined || there === undefined) continue;
        const openedAt = sent;
        await harness.plane.apply([open("guest", here)]);
        await publishOne();
        await harness.plane.apply([{ type: "move-hole", hole: "guest", target: there.target }]);
        const movedAt = sent;
        await publishOne();
        await harness.plane.apply([{ type: "close-hole", hole: "guest" }]);
        visits[from]?.push([openedAt, movedAt]);
        visits[to]?.push([movedAt, sent]);
        await publishOne();
      }
      await harness.settle();
      assert.deepEqual(
        numbersOf(stays),
        Array.from({ length: sent }, (_, i) => i),
      );
      for (const [i, guest] of guests.entries()) {
        const strays = numbersOf(guest).filter((n) => visits[i]?.every(([first, end]) => n < first || n >= end));
        assert.deepEqual(strays, []);
      }
    },
  );

  contract("media goes on, counted, when ports of another stream are opened", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([setFlow(harness), open("a", viewer)]);
    await send(harness, packets(20));
    await harness.openPort?.();
    await send(harness, packets(20));
    assertReceived(viewer, [...packets(20), ...packets(20)]);
    assert.deepEqual(await countersOf(harness, "a"), { packets: 40, bytes: 2 * bytesIn(packets(20)), drops: 0 });
  });

  contract("a closed plane forwards nothing, and closing it twice is no error", async (harness) => {
    const viewer = await harness.addReceiver();
    await harness.plane.apply([setFlow(harness), open("a", viewer)]);
    await harness.plane.close();
    await send(harness, packets(2));
    assertReceived(viewer, []);
    await harness.plane.close();
  });
}
