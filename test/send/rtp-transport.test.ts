import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { openRtpTransport } from "../../src/send/rtp-transport.ts";
import { freePortRow } from "../support/udp-ports.ts";

async function bind(host: string, port: number): Promise<Socket> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  const listening = once(socket, "listening");
  socket.bind(port, host);
  await listening;
  return socket;
}

for (const host of ["127.0.0.1", "::1", "localhost"]) {
  test(`components go from consecutive ports to consecutive ports, and back (${host})`, async () => {
    const back: [number, string][] = [];
    let heard = (): void => {};
    const reply = new Promise<void>((resolve) => {
      heard = resolve;
    });
    // Look up where "localhost" leads first, so that the receivers are there.
    const probe = await openRtpTransport({ host, port: 9, components: 1 });
    await probe.close();
    const port = await freePortRow(2, probe.address);
    const receivers = [await bind(probe.address, port), await bind(probe.address, port + 1)];
    const arrived = receivers.map((receiver) => once(receiver, "message"));
    const onDatagram = (component: number, bytes: Uint8Array): void => {
      back.push([component, Buffer.from(bytes).toString()]);
      heard();
    };
    const transport = await openRtpTransport({ host, port, components: 2, onDatagram });
    try {
      transport.send(0, Buffer.from("rtp"));
      transport.send(1, Buffer.from("rtcp"));
      const [[rtp, rtpFrom], [rtcp, rtcpFrom]] = (await Promise.all(arrived)) as [
        [Buffer, { port: number }],
        [Buffer, { port: number }],
      ];
      assert.deepEqual([rtp.toString(), rtcp.toString()], ["rtp", "rtcp"]);
      assert.deepEqual([rtpFrom.port, rtcpFrom.port], [transport.localPort, transport.localPort + 1]);
      receivers[1]?.send("report", rtcpFrom.port, probe.address);
      await reply;
      assert.deepEqual(back, [[1, "report"]]);
    } finally {
      for (const receiver of receivers) receiver.close();
      await transport.close();
    }
  });
}

test("what the system does not take is counted, during and after", async () => {
  const transport = await openRtpTransport({ host: "127.0.0.1", port: 9, components: 1 });
  transport.send(0, new Uint8Array(65_600));
  transport.send(5, new Uint8Array(1));
  await transport.close();
  assert.equal(transport.sendErrors(), 2);
  transport.send(0, new Uint8Array(1));
  await transport.close();
  assert.equal(transport.sendErrors(), 3);
});

test("ports that are taken, do not exist, and hosts that nobody knows are said so", async () => {
  const taken = createSocket("udp4");
  const listening = once(taken, "listening");
  taken.bind(0);
  await listening;
  const localPort = taken.address().port;
  try {
    const row = { host: "127.0.0.1", port: 9, components: 1, localPort };
    await assert.rejects(openRtpTransport(row), { code: "PORT_IN_USE" });
    await assert.rejects(openRtpTransport({ ...row, port: 65_535, components: 2 }), { code: "BAD_OPTION" });
    await assert.rejects(openRtpTransport({ ...row, host: "no-such-host.invalid" }), { code: "HOST_UNKNOWN" });
  } finally {
    taken.close();
  }
});
