import { formatPunchUrl } from "../core/punch-url.ts";
import type { OpenOptions } from "../relay/bare-punch.ts";
import { ingestPortsOf, type Stream } from "../relay/stream.ts";
import { type RelayPorts, socketBufferBytes } from "./relay-ports.ts";
import type { ListeningStream } from "./server-events.ts";

/** A stream with the ports and URLs that people need. */
export function describeStream(stream: Stream, host: string, port: number, holesPerComponent: number): ListeningStream {
  const { name, components, viewKey, publishKey } = stream;
  return {
    name,
    components,
    ingestPorts: ingestPortsOf(stream),
    viewers: holesPerComponent > 1 ? "many" : stream.takeover ? "newest" : "one",
    watchUrl: formatPunchUrl({ host, port, stream: name, key: viewKey }),
    publishUrl: formatPunchUrl({ host, port, stream: name, key: publishKey }),
  };
}

/** Below this a key of one's own is told to be weak: eight random letters hold against guessing over the network for years. */
const weakKeyLength = 8;

/** What the person who starts the relay should know. */
export function startWarnings(ports: RelayPorts, streams: readonly Stream[], open: OpenOptions | undefined): string[] {
  const warnings: string[] = [];
  const { receiveBytes, sendBytes } = ports.smallestBuffers();
  if (Math.min(receiveBytes, sendBytes) < socketBufferBytes) {
    const want = socketBufferBytes;
    warnings.push(
      `The kernel grants socket buffers of ${receiveBytes >> 10} KiB only, so bursts may be lost: ` +
        `sudo sysctl -w net.core.rmem_max=${want} net.core.wmem_max=${want}`,
    );
  }
  for (const { name, viewKey, publishKey } of streams) {
    if (Math.min(viewKey.length, publishKey.length) >= weakKeyLength) continue;
    warnings.push(`A key of stream '${name}' is easily guessed: take ${weakKeyLength} random characters or more.`);
  }
  if (open !== undefined) {
    const who = open.from.length === 0 ? "anyone" : "the sources allowed by --open-from";
    warnings.push(
      `Bare punches are on: ${who} can watch without a key, and whoever can forge a source address can point the stream ` +
        "at a victim. Use it in trusted networks only.",
    );
  }
  return warnings;
}
