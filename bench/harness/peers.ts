import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Contender, ingest, type Running, sinkPort } from "./contenders.ts";
import { lineReader } from "./load.ts";
import { addresses, type BenchNetwork } from "./network.ts";

const bufferBytes = String(4 << 20);
const from = { address: addresses.relayPunch, port: 9_000 };

/** What people would use instead, each with the best settings that we know of. `load` is the compiled generator. */
export function peers(load: string): Contender[] {
  const ours = [ingest.port, from.address, from.port, addresses.sink, sinkPort].map(String);
  return [
    {
      ...peer("C sendmmsg loop", "recvmmsg of 64, sendmmsg of 1,024, buffers of 4 MB"),
      start: (network, viewers) => startReady(network, load, ["relay", ...ours, String(viewers)]),
    },
    {
      ...peer("node:dgram relay", "one socket each way, buffers of 4 MB, no DNS look-up"),
      start: (network, viewers) => {
        const script = new URL("../load/dgram-relay.ts", import.meta.url).pathname;
        return startReady(network, process.execPath, [script, ...ours, String(viewers)]);
      },
    },
    {
      ...peer("GStreamer multiudpsink", "udpsrc and multiudpsink, buffers of 4 MB, no clock", ["gst-launch-1.0"]),
      start: (network, viewers) => {
        const clients = Array.from({ length: viewers }, (_, k) => `${addresses.sink}:${sinkPort + k}`).join(",");
        const source = ["udpsrc", `port=${ingest.port}`, `buffer-size=${bufferBytes}`];
        const sink = ["multiudpsink", `clients=${clients}`, `bind-port=${from.port}`, `buffer-size=${bufferBytes}`];
        const pipeline = [...source, "!", ...sink, "sync=false", "async=false"];
        return startSilent(network, "gst-launch-1.0", ["-q", ...pipeline]);
      },
    },
    {
      ...peer("ffmpeg tee", "data demuxer, packets kept whole, buffers of 4 MB", ["ffmpeg"]),
      start: (network, viewers) => {
        const outputs = Array.from({ length: viewers }, (_, k) => `[f=data]udp://${addresses.sink}:${sinkPort + k}`);
        const source = `udp://0.0.0.0:${ingest.port}?buffer_size=${bufferBytes}&fifo_size=16384&overrun_nonfatal=1`;
        const input = ["-fflags", "nobuffer", "-f", "data", "-raw_packet_size", "1500", "-i", source];
        const output = ["-map", "0", "-c", "copy", "-flush_packets", "1", "-f", "tee", outputs.join("|")];
        return startSilent(network, "ffmpeg", ["-nostdin", "-loglevel", "error", ...input, ...output]);
      },
    },
    {
      ...peer("socat", "UDP4-RECV to UDP4-SENDTO, buffers of 4 MB", ["socat"]),
      mostViewers: 1,
      start: (network) =>
        startSilent(network, "socat", [
          ...["-u", "-b", "65536", `UDP4-RECV:${ingest.port},rcvbuf=${bufferBytes}`],
          `UDP4-SENDTO:${addresses.sink}:${sinkPort},bind=${from.address}:${from.port},sndbuf=${bufferBytes}`,
        ]),
    },
    {
      ...peer("nginx stream", "one worker, rcvbuf and sndbuf of 4 MB, one session for all", ["nginx"]),
      mostViewers: 1,
      start: startNginx,
    },
  ];
}

/** Those of the contenders that can run here; says in a line each what the others lack. */
export function available(contenders: readonly Contender[]): Contender[] {
  return contenders.filter(({ name, needs = [] }) => {
    const missing = needs.filter((program) => !isInstalled(program));
    if (missing.length > 0) console.log(`${name}: left out, since ${missing.join(", ")} is not installed`);
    return missing.length === 0;
  });
}

function isInstalled(program: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

function peer(name: string, settings: string, needs: readonly string[] = []): Omit<Contender, "start"> {
  return { name, settings, needs, target: ingest };
}

async function startReady(network: BenchNetwork, command: string, args: readonly string[]): Promise<Running> {
  const child = network.spawn("relay", command, args);
  await lineReader(child)();
  return {
    process: child,
    async stop() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

/** For programs that do not say when they are ready. */
async function startSilent(network: BenchNetwork, command: string, args: readonly string[]): Promise<Running> {
  const child = network.spawn("relay", command, args);
  child.stdout?.resume();
  await delay(1_500);
  if (child.exitCode !== null) throw new Error(`${command} ended with code ${child.exitCode}`);
  return {
    process: child,
    async stop() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

async function startNginx(network: BenchNetwork): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "punchcast-bench-nginx-"));
  const config = join(folder, "nginx.conf");
  writeFileSync(
    config,
    `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr error;
events { worker_connections 64; }
stream { server {
  listen ${ingest.port} udp rcvbuf=4m sndbuf=4m;
  proxy_pass ${addresses.sink}:${sinkPort}; proxy_bind ${from.address}; proxy_timeout 60s;
} }
`,
  );
  const running = await startSilent(network, "nginx", ["-c", config, "-p", folder]);
  return {
    ...running,
    async stop() {
      running.process?.kill("SIGTERM");
      if (running.process?.exitCode === null) await once(running.process, "exit");
      rmSync(folder, { recursive: true });
    },
  };
}
