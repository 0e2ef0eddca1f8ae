import type { Endpoint } from "../../src/core/address.ts";
import { randomUnit } from "../../src/core/random.ts";
import { answerNack } from "../../src/media/answer-nack.ts";
import { createPacketHistory } from "../../src/media/packet-history.ts";
import { createRateMeter } from "../../src/media/rate-meter.ts";
import { createRepairBudget } from "../../src/media/repair-budget.ts";
import { classifyDatagram } from "../../src/rtp/demux.ts";
import { decodeRtcp, type RtcpPacket } from "../../src/rtp/rtcp/compound.ts";
import { openUdpSocket, type UdpSocket } from "../../src/udp/udp-socket.ts";
import { createSeededRandom } from "./seeded-random.ts";

/** A relay seen through a bad path: what stands between it and its viewers loses media and RTCP, and answers NACKs. */
export interface LossyRelay {
  /** Where viewers punch. */
  readonly port: number;
  /** 0-1, of what crosses from now on, in both directions; STUN always does. */
  setLoss(share: number): void;
  /** RTP packets from the relay, those lost, and those sent again. */
  counts(): { readonly media: number; readonly lost: number; readonly repairs: number };
  /** RTCP other than NACKs that came from viewers. */
  readonly reports: readonly RtcpPacket[];
  close(): Promise<void>;
}

interface Way {
  readonly agent: Endpoint;
  readonly history: ReturnType<typeof createPacketHistory>;
  readonly rate: ReturnType<typeof createRateMeter>;
  readonly budget: ReturnType<typeof createRepairBudget>;
}

/** Opens it in front of a relay on 127.0.0.1; losses are the same for the same seed and the same order of packets. */
export async function openLossyRelay(relayPort: number, seed: number): Promise<LossyRelay> {
  const relay: Endpoint = { address: "127.0.0.1", port: relayPort };
  const random = createSeededRandom(seed);
  const backs = new Map<number, Promise<{ readonly socket: UdpSocket; readonly way: Way }>>();
  const reports: RtcpPacket[] = [];
  const counts = { media: 0, lost: 0, repairs: 0 };
  let loss = 0;

  const isLost = (): boolean => randomUnit(random) < loss;

  function toAgent(way: Way, bytes: Uint8Array): void {
    if (isLost()) counts.lost += 1;
    else front.send(bytes, way.agent);
  }

  function fromRelay(way: Way, bytes: Uint8Array): void {
    if (classifyDatagram(bytes) !== "rtp") {
      front.send(bytes, way.agent);
      return;
    }
    counts.media += 1;
    way.history.add(bytes, performance.now());
    way.rate.onPacket(bytes.length, performance.now());
    toAgent(way, bytes);
  }

  function onFeedback(way: Way, bytes: Uint8Array): void {
    const packets = decodeRtcp(bytes);
    if (isLost() || !packets.ok) return;
    for (const packet of packets.value) {
      if (packet.type !== "nack") {
        reports.push(packet);
        continue;
      }
      const { history, budget } = way;
      const send = (view: Uint8Array): void => toAgent(way, view.slice());
      counts.repairs += answerNack(packet, performance.now(), { history, budget, send }).sent;
    }
  }

  async function openBack(agent: Endpoint): Promise<{ socket: UdpSocket; way: Way }> {
    const rate = createRateMeter();
    const way = { agent, history: createPacketHistory(), rate, budget: createRepairBudget({ rate }) };
    const onDatagram = (bytes: Uint8Array): void => fromRelay(way, bytes);
    return { socket: await openUdpSocket({ address: "127.0.0.1", port: 0, onDatagram }), way };
  }

  const front = await openUdpSocket({
    address: "127.0.0.1",
    port: 0,
    bufferBytes: 4 << 20,
    onDatagram(bytes, from) {
      const opening = backs.get(from.port) ?? openBack(from);
      backs.set(from.port, opening);
      void opening.then(({ socket, way }) => {
        if (classifyDatagram(bytes) === "rtcp") onFeedback(way, bytes);
        else socket.send(bytes, relay);
      });
    },
  });
  return {
    port: front.local.port,
    reports,
    counts: () => ({ ...counts }),
    setLoss(share) {
      loss = share;
    },
    async close() {
      await front.close();
      for (const opening of backs.values()) await (await opening).socket.close();
    },
  };
}
