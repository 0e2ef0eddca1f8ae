import { type Endpoint, formatEndpoint } from "../../src/core/address.ts";
import { type Random, randomUnit } from "../../src/core/random.ts";
import type { PunchEvent, PunchMachine } from "../../src/punch/machine.ts";
import { defaultLimits, type Limits } from "../../src/relay/limits.ts";
import { createRelayCore, type RelayCore } from "../../src/relay/relay-core.ts";
import { makeStream, punchPort } from "../relay/support.ts";
import { createFakeClock, type FakeClock } from "../support/fake-clock.ts";
import { createSeededRandom } from "../support/seeded-random.ts";

/** A machine and a relay core on one fake clock, with a NAT and a lossy path of 20 ms each way between them. */
export interface SimulatedNetwork {
  readonly clock: FakeClock;
  /** What the machine made of what it got, with the time. */
  readonly log: { readonly at: number; readonly event: PunchEvent }[];
  /** When each request left the machine, and how long it was. */
  readonly sent: { readonly at: number; readonly length: number }[];
  /** Where the NAT maps the machine's socket now; a test may change it. */
  mapped: Endpoint;
  /** Share of datagrams lost, each way. */
  loss: number;
  /** False while the relay is down. */
  relayUp: boolean;
  core(): RelayCore;
  /** Ends the relay and starts another one, which remembers nothing. */
  restartRelay(): void;
  /** Sends what the machine says on leaving. */
  leave(): void;
  /** Makes the machine punch at once. */
  punchNow(): void;
}

/** One way between viewer and relay. */
export const pathMs = 20;

/** Starts `machine` in a network of its own. */
export function simulate(
  machine: PunchMachine,
  options: { readonly seed?: number; readonly limits?: Limits } = {},
): SimulatedNetwork {
  const clock = createFakeClock(1_000);
  const random: Random = createSeededRandom(options.seed ?? 7);
  const core = (): RelayCore =>
    createRelayCore({
      streams: [makeStream()],
      limits: options.limits ?? defaultLimits,
      authSecret: undefined,
      open: undefined,
      random,
    });
  let relay = core();
  let cancel = (): void => {};

  function carry(task: () => void): void {
    if (randomUnit(random) >= network.loss) clock.schedule(pathMs, task);
  }

  function toRelay(bytes: Uint8Array): void {
    network.sent.push({ at: clock.now(), length: bytes.length });
    const from = network.mapped;
    carry(() => {
      if (!network.relayUp) return;
      const at = { now: clock.now(), wallNowMs: clock.wallNow() };
      const { verdict } = relay.onPunchPort(punchPort, from, bytes, at);
      const reply = verdict.kind === "handled" ? verdict.reply : undefined;
      if (reply !== undefined) carry(() => toMachine(reply, from));
    });
  }

  function toMachine(bytes: Uint8Array, to: Endpoint): void {
    // What goes to a mapping that the NAT has given up reaches nobody.
    if (formatEndpoint(to) !== formatEndpoint(network.mapped)) return;
    const event = machine.receive(bytes, clock.now());
    if (event !== undefined && event !== "quiet") network.log.push({ at: clock.now(), event });
    run();
  }

  function run(): void {
    cancel();
    const request = machine.poll(clock.now());
    if (request !== undefined) toRelay(request);
    cancel = clock.schedule(machine.wakeAt() - clock.now(), run);
  }

  const network: SimulatedNetwork = {
    clock,
    log: [],
    sent: [],
    mapped: { address: "203.0.113.1", port: 40_000 },
    loss: 0,
    relayUp: true,
    core: () => relay,
    restartRelay() {
      relay = core();
    },
    leave() {
      cancel();
      const goodbye = machine.leave(clock.now());
      if (goodbye !== undefined) toRelay(goodbye);
    },
    punchNow() {
      machine.punchNow(clock.now());
      run();
    },
  };
  run();
  // As the server does, so that consent ends.
  const tick = (): void => {
    relay.tick(clock.now());
    clock.schedule(1_000, tick);
  };
  tick();
  return network;
}
