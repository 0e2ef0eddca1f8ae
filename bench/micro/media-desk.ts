/*
 * What the relay's main thread does with each packet that a plane has carried: `node bench/micro/media-desk.ts`. In the ebpf plane
 * the packets come out of the kernel's ring one by one, from the batched engine in parcels, which cost their reading.
 * A 4 Mbit/s H.264 stream in packets of 1,200 bytes, 25 pictures a second, made of the payloads of a fixture; at last one as
 * large that is no codec's.
 */
import { systemClock } from "../../src/core/clock.ts";
import { systemRandom } from "../../src/core/random.ts";
import { createCarriedWriter, readCarried } from "../../src/data-plane/userspace/batched/carried.ts";
import { createStream } from "../../src/relay/stream.ts";
import { encodeRtp } from "../../src/rtp/header.ts";
import { createMediaDesk } from "../../src/server/media-desk.ts";
import { rtpPackets } from "../../test/support/fixtures.ts";

const packetsPerPicture = 17;
const pictures = 25 * 120;
const payloadBytes = 1_188;

/** The pictures of the fixture, each as its parameter sets and the first payload of its slice. */
function readPictures(): Uint8Array[][] {
  const byTime = Map.groupBy(rtpPackets("ffmpeg-h264"), ({ timestamp }) => timestamp);
  return [...byTime.values()].map((packets) => packets.map(({ payload }) => payload));
}

/** Fragments of a slice that begins as this one does, filled up with its own bytes. */
function fragments(slice: Uint8Array, count: number): Uint8Array[] {
  const isFragment = ((slice[0] ?? 0) & 0x1f) === 28;
  const type = (slice[isFragment ? 1 : 0] ?? 0) & 0x1f;
  const body = slice.subarray(isFragment ? 2 : 1);
  return Array.from({ length: count }, (_, i) => {
    const payload = new Uint8Array(payloadBytes);
    payload[0] = ((slice[0] ?? 0) & 0x60) | 28;
    payload[1] = type | (i === 0 ? 0x80 : i === count - 1 ? 0x40 : 0);
    for (let at = 2; at < payloadBytes; at += body.length) payload.set(body.subarray(0, payloadBytes - at), at);
    return payload;
  });
}

function makePackets(): { readonly bytes: Uint8Array; readonly atMs: number }[] {
  const source = readPictures();
  let sequenceNumber = 1;
  return Array.from({ length: pictures }, (_, i) => {
    const payloads = source[i % source.length] ?? [];
    const typeOf = (payload: Uint8Array): number => (payload[0] ?? 0) & 0x1f;
    const sets = payloads.filter((payload) => [6, 7, 8, 24].includes(typeOf(payload)));
    const slice = payloads.find((payload) => [1, 5, 28].includes(typeOf(payload))) ?? new Uint8Array([1, 0x80]);
    const all = [...sets, ...fragments(slice, packetsPerPicture)];
    return all.map((payload, k) => {
      const fields = { payloadType: 96, marker: k === all.length - 1, timestamp: i * 3_600, ssrc: 0x6b8b4567 };
      const bytes = encodeRtp({ ...fields, sequenceNumber: sequenceNumber++ & 0xffff }, payload);
      return { bytes, atMs: i * 40 + k * 0.2 };
    });
  }).flat();
}

const packets = makePackets();
let now = 0;
const streams = ["live", "unknown"].map((name, i) =>
  createStream({ ...{ name, components: 2, ingestPort: 9099 + 2 * i, from: [], viewKey: "v", publishKey: "p" } }),
);
const desk = createMediaDesk({
  core: {
    streams: new Map(streams.map((stream) => [stream.name, stream])),
    holes: new Map() as never,
    publishers: { flowOf: () => undefined } as never,
  },
  clock: { ...systemClock, now: () => now, schedule: () => () => {} },
  random: systemRandom,
  ...{
    cache: true,
    described: () => undefined,
    deliver() {},
    onRestart() {},
    send: () => true,
    warn() {},
    tellMediaWithin() {},
  },
  ...{ open: async () => {}, mtuOf: () => undefined },
});

function take(bytes: Uint8Array, atMs: number, component = "live/0"): void {
  now = atMs;
  desk.onCarried(component, bytes, atMs);
}

/** Microseconds of this thread's CPU time a packet, round by round: the first ones are spent on finding out what the stream is, and on compiling. */
function measure(round: (fromMs: number) => void): string {
  const rounds = Array.from({ length: 8 }, () => {
    const fromMs = now + 40;
    const before = process.threadCpuUsage();
    round(fromMs);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / packets.length;
  });
  return rounds.map((each) => each.toFixed(2)).join(" ");
}

const singly = measure((fromMs) => {
  for (const { bytes, atMs } of packets) take(bytes, fromMs + atMs);
});
const fare = desk.fare("live").ingest(0);
console.log(`${packets.length} packets a round, ${fare?.codec} at ${Math.round((fare?.bitrate ?? 0) / 1e3)} kbit/s`);
console.log(`one by one: ${singly} µs a packet`);

const writer = createCarriedWriter();
const parcels = Array.from({ length: Math.ceil(packets.length / packetsPerPicture) }, (_, i) => {
  for (const { bytes, atMs } of packets.slice(i * packetsPerPicture, (i + 1) * packetsPerPicture)) {
    writer.add({ number: 1, component: "live/0" }, atMs, bytes);
  }
  return writer.take();
});
const inParcels = measure((fromMs) => {
  for (const parcel of parcels) {
    if (parcel !== undefined) for (const { bytes, atMs } of readCarried(parcel)) take(bytes, fromMs + atMs);
  }
});
console.log(`in parcels: ${inParcels} µs a packet`);

const zeros = new Uint8Array(payloadBytes);
const unknown = packets.map(({ atMs }, i) => {
  const fields = { payloadType: 96, marker: false, timestamp: 0, ssrc: 1, sequenceNumber: i & 0xffff };
  return { bytes: encodeRtp(fields, zeros), atMs };
});
const unrecognised = measure((fromMs) => {
  for (const { bytes, atMs } of unknown) take(bytes, fromMs + atMs, "unknown/0");
});
console.log(`of no known codec: ${unrecognised} µs a packet`);
desk.close();
