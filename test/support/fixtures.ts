import { join } from "node:path";
import { decodeRtp, type RtpPacket } from "../../src/rtp/header.ts";
import { av1Stream } from "./av1-packets.ts";
import { type CapturedDatagram, readPcap } from "./captures.ts";

/** Streams recorded from the `senders` of the same names, cut short, and AV1 packetised from libaom's output. */
export function fixture(name: string): CapturedDatagram[] {
  const folder = join(import.meta.dirname, "../fixtures");
  return name === "libaom-av1" ? av1Stream(join(folder, `${name}.obu`)) : readPcap(join(folder, `${name}.pcap`));
}

/** The RTP packets of a fixture. */
export function rtpPackets(name: string): RtpPacket[] {
  return fixture(name)
    .filter(({ destinationPort }) => destinationPort === 0)
    .flatMap(({ payload }) => {
      const packet = decodeRtp(payload);
      return packet.ok ? [packet.value] : [];
    });
}
