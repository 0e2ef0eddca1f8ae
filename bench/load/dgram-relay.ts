/* The plain peer: a relay on node:dgram as one writes it first, with buffers of 4 MB. IN-PORT FROM-ADDRESS FROM-PORT TO FIRST-PORT COUNT */
import { createSocket } from "node:dgram";

const [inPort = "", fromAddress = "", fromPort = "", to = "", first = "", count = ""] = process.argv.slice(2);
const out = createSocket({ type: "udp4", lookup: (host, _options, callback) => callback(null, host, 4) });
const incoming = createSocket("udp4");
incoming.on("message", (bytes) => {
  for (let viewer = 0; viewer < Number(count); viewer += 1) out.send(bytes, Number(first) + viewer, to);
});
const connectedOnly = (bytes: Buffer): void => out.send(bytes);
out.bind(Number(fromPort), fromAddress, () => {
  out.setSendBufferSize(4 << 20);
  if (count === "1") out.connect(Number(first), to, listen);
  else listen();
});

function listen(): void {
  // A connected socket spares the kernel the route, where there is one viewer only.
  if (count === "1") incoming.removeAllListeners("message").on("message", connectedOnly);
  incoming.bind(Number(inPort), () => {
    incoming.setRecvBufferSize(4 << 20);
    console.log("ready");
  });
}
