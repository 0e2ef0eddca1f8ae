/* Sends RTP of 1,200 bytes at a steady rate to 127.0.0.1: PORT MBITS SECONDS. Says how many packets it was. */
import { encodeRtp } from "../../src/rtp/header.ts";
import { openUdpSocket } from "../../src/udp/udp-socket.ts";

const [port = 0, mbits = 0, seconds = 0] = process.argv.slice(2).map(Number);
const socket = await openUdpSocket({ address: "127.0.0.1", port: 0, onDatagram: () => {} });
const payload = new Uint8Array(1_188);
const perSecond = (mbits * 1e6) / 8 / 1_200;
const total = Math.floor(perSecond * seconds);
const startedAt = performance.now();
let sent = 0;
const timer = setInterval(() => {
  const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1_000) * perSecond));
  for (; sent < due; sent += 1) {
    const fields = { payloadType: 96, marker: false, sequenceNumber: sent & 0xffff, timestamp: sent * 90, ssrc: 1 };
    socket.send(encodeRtp(fields, payload), { address: "127.0.0.1", port });
  }
  if (sent < total) return;
  clearInterval(timer);
  // What is still in the sockets' buffers arrives within this second.
  setTimeout(() => {
    console.log(JSON.stringify({ event: "sent", packets: sent }));
    socket.close().catch(() => {});
  }, 1_000);
}, 4);
