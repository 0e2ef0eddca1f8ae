import type { Endpoint } from "../../src/core/address.ts";
import { randomUnit } from "../../src/core/random.ts";
import { classifyDatagram } from "../../src/rtp/demux.ts";
import { openUdpSocket, type UdpSocket } from "../../src/udp/udp-socket.ts";
import { createSeededRandom } from "./seeded-random.ts";

/** RTP in one direction. */
export interface PathCounts {
  /** Packets that crossed or were lost, those sent again left out. */
  readonly media: number;
  readonly lost: number;
  /** Packets sent again, lost ones included. */
  readonly repairs: number;
}

/** A bad path to a relay, for viewers and for publishers with a key: it loses RTP and RTCP, and leaves STUN alone. */
export interface LossyPath {
  /** Where to punch. */
  readonly port: number;
  /** 0-1, of what crosses from now on, in both directions. */
  setLoss(share: number): void;
  readonly fromRelay: PathCounts;
  readonly toRelay: PathCounts;
  close(): Promise<void>;
}

interface Direction {
  readonly counts: PathCounts;
  isLost(bytes: Uint8Array, loss: number): boolean;
}

/** Counts one direction, where each packet's number and source tell whether it went before. */
function createDirection(random: () => number): Direction {
  const seen = new Set<string>();
  const counts = { media: 0, lost: 0, repairs: 0 };
  return {
    counts,
    isLost(bytes, loss) {
      const kind = classifyDatagram(bytes);
      if (kind === "stun") return false;
      const isLost = random() < loss;
      if (kind !== "rtp") return isLost;
      const name = Buffer.from(bytes.subarray(2, 12)).toString("hex");
      counts[seen.has(name) ? "repairs" : "media"] += 1;
      if (isLost) counts.lost += 1;
      seen.add(name);
      return isLost;
    },
  };
}

/** Opens it in front of a relay on 127.0.0.1; losses are the same for the same seed and the same order of packets. */
export async function openLossyPath(relayPort: number, seed: number): Promise<LossyPath> {
  const relay: Endpoint = { address: "127.0.0.1", port: relayPort };
  const random = createSeededRandom(seed);
  const backs = new Map<number, Promise<UdpSocket>>();
  const fromRelay = createDirection(() => randomUnit(random));
  const toRelay = createDirection(() => randomUnit(random));
  let loss = 0;

  function openBack(agent: Endpoint): Promise<UdpSocket> {
    return openUdpSocket({
      ...{ address: "127.0.0.1", port: 0, bufferBytes: 4 << 20 },
      onDatagram: (bytes) => void (fromRelay.isLost(bytes, loss) || front.send(bytes, agent)),
    });
  }

  const front = await openUdpSocket({
    ...{ address: "127.0.0.1", port: 0, bufferBytes: 4 << 20 },
    onDatagram(bytes, from) {
      const opening = backs.get(from.port) ?? openBack(from);
      backs.set(from.port, opening);
      if (toRelay.isLost(bytes, loss)) return;
      void opening.then((back) => back.send(bytes, relay));
    },
  });
  return {
    port: front.local.port,
    ...{ fromRelay: fromRelay.counts, toRelay: toRelay.counts },
    setLoss(share) {
      loss = share;
    },
    async close() {
      await front.close();
      for (const opening of backs.values()) await (await opening).close();
    },
  };
}
