import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Programs } from "../harness/load.ts";
import { addresses, type BenchNetwork } from "../harness/network.ts";
import { type Contender, firstPort, ingest, lastPort, punchPort, type Running } from "./contender.ts";
import { startReady, startSilent } from "./start.ts";

const bufferBytes = 4 << 20;

/** The one port that coturn may give out. */
const turnPort = 49_160;
const turnserverArgs = [
  ...["-n", "--no-auth", "--no-cli", "--no-tls", "--no-dtls", "--no-tcp", "--relay-threads=1", "--log-file=/dev/null"],
  ...["--no-stdout-log", "--no-software-attribute", "--pidfile=", `--listening-port=${punchPort.port}`],
  ...[`--listening-ip=${punchPort.address}`, `--relay-ip=${ingest.address}`],
  ...[`--min-port=${turnPort}`, `--max-port=${turnPort}`],
];

/** What the C relays and the one on node:dgram are told. */
function relayArgs(viewers: number): string[] {
  const { address, port } = punchPort;
  return [ingest.port, address, port, addresses.sink, firstPort(viewers), viewers].map(String);
}

/** What people would use instead, each with the best settings that we know of. */
export function peers(programs: Programs): Contender[] {
  const segments: Contender = {
    ...{ id: "c-segment", name: "C UDP_SEGMENT loop", target: ingest },
    settings: "`bench/load/relay.c`: recvmmsg of 64, one message of all of them to each viewer, buffers of 4 MB",
    start: (network, viewers) => startReady(network, programs.relay, ["segment", ...relayArgs(viewers)]),
  };
  return [
    {
      ...{ id: "c-mmsg", name: "C sendmmsg loop", target: ingest },
      settings: "`bench/load/relay.c`: recvmmsg of 64, sendmmsg of 1,024, buffers of 4 MB",
      start: (network, viewers) => startReady(network, programs.relay, ["mmsg", ...relayArgs(viewers)]),
    },
    segments,
    { ...segments, id: "c-segment-cut", name: "C UDP_SEGMENT loop, device cuts", deviceCuts: true, leastViewers: 100 },
    {
      ...{ id: "node-dgram", name: "node:dgram relay", target: ingest },
      settings:
        "`bench/load/dgram-relay.ts`: one socket each way, connected for one viewer, no look-ups, buffers of 4 MB",
      start: (network, viewers) => {
        const script = new URL("../load/dgram-relay.ts", import.meta.url).pathname;
        return startReady(network, process.execPath, [script, ...relayArgs(viewers)]);
      },
    },
    {
      ...{ id: "nginx", name: "nginx stream", target: ingest, mostViewers: 1 },
      settings: "one worker (one session cannot use more), `reuseport rcvbuf=4m sndbuf=4m`, no logs",
      needs: { program: "nginx", versionArgs: ["-v"] },
      start: startNginx,
    },
    {
      ...{ id: "gstreamer", name: "GStreamer", target: ingest },
      settings: "`udpsrc ! udpsink` for one viewer, `multiudpsink` for many, buffers of 4 MB, no clock",
      needs: { program: "gst-launch-1.0", versionArgs: ["--version"] },
      start: (network, viewers) => startSilent(network, "gst-launch-1.0", ["-q", ...gstreamerPipeline(viewers)]),
    },
    {
      ...{ id: "ffmpeg", name: "ffmpeg", target: ingest },
      settings: "data demuxer, packets kept whole; one output for one viewer, `tee` for many; buffers of 4 MB",
      needs: { program: "ffmpeg", versionArgs: ["-version"] },
      start: (network, viewers) => startSilent(network, "ffmpeg", ffmpegArgs(viewers)),
    },
    {
      ...{ id: "socat", name: "socat", target: ingest, mostViewers: 1 },
      settings: "`UDP4-RECV` to `UDP4-SENDTO`, buffers of 4 MB",
      needs: { program: "socat", versionArgs: ["-V"] },
      start: (network) =>
        startSilent(network, "socat", [
          ...["-u", "-b", "65536", `UDP4-RECV:${ingest.port},rcvbuf=${bufferBytes}`],
          `UDP4-SENDTO:${addresses.sink}:${lastPort},bind=${punchPort.address}:${punchPort.port},sndbuf=${bufferBytes}`,
        ]),
    },
    {
      ...{ id: "coturn", name: "coturn", mostViewers: 1, punch: punchPort, turn: true },
      target: { address: addresses.relayIngest, port: turnPort },
      settings:
        "the viewer is the TURN client (a channel), the source its peer; one thread, no keys, no logs; its own buffer sizes",
      needs: { program: "turnserver", versionArgs: ["--version"] },
      start: (network) => startSilent(network, "turnserver", turnserverArgs, punchPort.port),
    },
  ];
}

function viewerPorts(viewers: number): number[] {
  return Array.from({ length: viewers }, (_, viewer) => firstPort(viewers) + viewer);
}

function gstreamerPipeline(viewers: number): string[] {
  const clients = viewerPorts(viewers).map((port) => `${addresses.sink}:${port}`);
  const to =
    viewers === 1 ? ["udpsink", `host=${addresses.sink}`, `port=${lastPort}`] : ["multiudpsink", `clients=${clients}`];
  const sink = [...to, `bind-port=${punchPort.port}`, `buffer-size=${bufferBytes}`, "sync=false", "async=false"];
  return ["udpsrc", `port=${ingest.port}`, `buffer-size=${bufferBytes}`, "!", ...sink];
}

function ffmpegArgs(viewers: number): string[] {
  const source = `udp://0.0.0.0:${ingest.port}?buffer_size=${bufferBytes}&fifo_size=16384&overrun_nonfatal=1`;
  const input = ["-fflags", "nobuffer", "-f", "data", "-raw_packet_size", "1500", "-i", source];
  const outputs = viewerPorts(viewers).map((port) => `udp://${addresses.sink}:${port}?buffer_size=${bufferBytes}`);
  const to = viewers === 1 ? ["data", outputs.join()] : ["tee", outputs.map((url) => `[f=data]${url}`).join("|")];
  return ["-nostdin", "-loglevel", "error", ...input, "-map", "0", "-c", "copy", "-flush_packets", "1", "-f", ...to];
}

async function startNginx(network: BenchNetwork): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "punchcast-bench-nginx-"));
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 64; }
stream { server {
  listen ${ingest.port} udp reuseport rcvbuf=4m sndbuf=4m;
  proxy_pass ${addresses.sink}:${lastPort}; proxy_bind ${punchPort.address}:${punchPort.port}; proxy_timeout 60s;
} }
`,
  );
  const { process, stop } = await startSilent(network, "nginx", ["-c", config, "-p", folder]);
  return {
    ...(process !== undefined && { process }),
    async stop() {
      await stop();
      rmSync(folder, { recursive: true });
    },
  };
}
