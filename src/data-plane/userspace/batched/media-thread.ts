/*
 * The thread that moves the media: it reads all sockets of the relay, sends what belongs to an installed flow on to the
 * flow's holes, and hands everything else up to the main thread, where the relay core decides.
 */
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { formatEndpoint } from "../../../core/address.ts";
import { monotonicMs } from "../../../core/clock.ts";
import { createEpoll } from "../../../udp/native/epoll.ts";
import { addressSlot } from "../../../udp/native/layout.ts";
import { loadLibc } from "../../../udp/native/libc.ts";
import { allocate } from "../../../udp/native/memory.ts";
import { createPacketRun } from "../../../udp/native/packet-run.ts";
import { createReceiveBatch } from "../../../udp/native/receive-batch.ts";
import { socketAddressKey } from "../../../udp/native/socket-address.ts";
import { tellMediaMs } from "../../data-plane.ts";
import { createCarriedWriter } from "./carried.ts";
import { createForwardingTable, type InstalledFlow } from "./forwarding-table.ts";
import { createFrameGatherer } from "./frame-gatherer.ts";
import type { FromMediaThread, MediaThreadData, ToMediaThread } from "./messages.ts";
import { createParcelWriter } from "./parcel.ts";

interface MediaSocket {
  readonly id: number;
  readonly fd: number;
  readonly local: string;
  readonly port: number;
  /** Datagrams that went up and that the main thread has not dealt with yet. */
  waiting: number;
  /** Not read until what went up has been dealt with, so that a new flow starts in order. */
  paused: boolean;
}

/** Datagrams that may wait for the main thread, all sockets together: 50 ms of what it can decide on; the rest is flood. */
const mostWaiting = 4_096;

/** How often the main thread is told that media goes by: often enough to see a second of silence for what it is. */
const seenEveryMs = 250;

/** RFC 8489 §5. */
const magicCookie = [0x21, 0x12, 0xa4, 0x42];

/** The wake-up's number in epoll; sockets count from 1. */
const wakeUpId = 0;

const { port, wakeUpFd, segmentation, tap, clockBehindMs }: MediaThreadData = workerData;
const libc = await loadLibc();
if (libc === undefined) throw new Error("the media thread was started where it cannot run");
const sockets = new Map<number, MediaSocket>();
const fds = new Map<string, number>();
const epoll = createEpoll(libc);
const batch = createReceiveBatch(libc);
const frames = createFrameGatherer(batch);
const run = createPacketRun(libc);
const drained = allocate(libc, 65_536);
const table = createForwardingTable({
  libc,
  run,
  segmentation,
  socketAt: (local) => fds.get(local),
});
const parcel = createParcelWriter(addressSlot);
const carried = createCarriedWriter();
/** What this thread's clock is to be set forward by to agree with the main thread's. */
const clockAheadMs = monotonicMs() - performance.now() - clockBehindMs;
let carriedAt = 0;
/** How long copies of what was sent on are gathered. */
let carriedEveryMs = tellMediaMs;
let turnedAway = 0;
let punchPort = 0;
let waiting = 0;
let running = true;
let somethingSeen = false;
let seenAt = 0;

epoll.add(wakeUpFd, wakeUpId);
/** When the sockets were last looked at. */
let now = performance.now();
while (running) {
  const ready = epoll.wait(carried.isEmpty ? (somethingSeen ? seenEveryMs : -1) : untilTellingMs());
  now = performance.now();
  let woken = false;
  for (let i = 0; i < ready; i += 1) {
    const id = epoll.ready(i);
    const socket = sockets.get(id);
    if (id === wakeUpId) woken = true;
    else if (socket !== undefined) readSocket(socket);
  }
  const packed = parcel.take();
  if (packed !== undefined) {
    // What a viewer asks for again has been sent on before: the main thread must have it when it reads the request.
    tellCarried();
    tell({ type: "up", parcel: packed }, [packed.buffer]);
  }
  if (!carried.isEmpty && untilTellingMs() === 0) tellCarried();
  // Last, so that what is asked about the counters includes what had arrived before the question.
  if (woken) takeMessages();
  if (somethingSeen) tellSeen();
}
table.free();
for (const memory of [batch, run, drained]) memory.free();
epoll.close();
port.close();

function tell(message: FromMediaThread, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}

/** Whole milliseconds, as epoll counts. */
function untilTellingMs(): number {
  return Math.max(0, Math.ceil(carriedAt + carriedEveryMs - now));
}

function tellCarried(): void {
  carriedAt = now;
  const taken = carried.take();
  if (taken !== undefined) tell({ type: "carried", carried: taken }, [taken.parcel.buffer]);
}

function tellSeen(): void {
  if (now - seenAt < seenEveryMs) return;
  seenAt = now;
  somethingSeen = false;
  tell({ type: "seen", unseen: table.unseen() });
}

/** One batch only: the other sockets have their turn before the next. */
function readSocket(socket: MediaSocket): void {
  const flows = table.flowsAt(socket.local);
  const { u8, u32 } = batch.sources;
  let count = batch.receive(socket.fd);
  const first = count > 0 ? flows?.get(socketAddressKey(u8, u32, 0)) : undefined;
  if (first !== undefined) count = frames.gather(socket.fd, count, first);
  const atMs = performance.now() + clockAheadMs;
  let current: InstalledFlow | undefined;
  for (let i = 0; i < count; i += 1) {
    const offset = i * addressSlot;
    const flow = i === 0 ? first : flows?.get(socketAddressKey(u8, u32, offset));
    if (flow === undefined || (socket.port === punchPort && isStun(i))) {
      handUp(socket, i);
      continue;
    }
    if (flow !== current && current !== undefined) flush(current);
    current = flow;
    const [address, length, segment] = [batch.address(i), batch.length(i), batch.segment(i) || batch.length(i)];
    let at = 0;
    do {
      const size = Math.min(segment, length - at);
      if (!run.add(address + at, size)) {
        flush(flow);
        run.add(address + at, size);
      }
      if (tap) carried.add(flow, atMs, batch.bytes(i, at, size));
      flow.packets += 1;
      at += size;
    } while (at < length);
    flow.bytes += length;
  }
  if (current !== undefined) {
    flush(current);
    somethingSeen = true;
  }
  // Nobody's media is held up where no flow is installed, and one that starts had better wait here than take the long way.
  if ((flows?.size ?? 0) === 0 && socket.port !== punchPort && socket.waiting >= batch.most) pause(socket);
}

function flush({ fanOut }: InstalledFlow): void {
  if (run.count > 0) fanOut.send();
  run.clear();
}

/** RFC 8489 §5: two zero bits first, and the magic cookie at offset 4. */
function isStun(index: number): boolean {
  if (batch.byteAt(index, 0) > 3 || batch.length(index) < 20) return false;
  return magicCookie.every((value, k) => batch.byteAt(index, 4 + k) === value);
}

function handUp(socket: MediaSocket, index: number): void {
  const source = batch.sources.u8.subarray(index * addressSlot, (index + 1) * addressSlot);
  // Nobody can send from port 0, so an answer to it would only be an error.
  if (source[2] === 0 && source[3] === 0) return;
  const bytes = batch.bytes(index);
  const segment = batch.segment(index) || bytes.length;
  let at = 0;
  do {
    if (waiting >= mostWaiting) {
      turnedAway += 1;
      return;
    }
    parcel.add(socket.id, source, bytes.subarray(at, at + segment));
    socket.waiting += 1;
    waiting += 1;
    at += segment;
  } while (at < bytes.length);
}

function takeMessages(): void {
  libc?.read(wakeUpFd, drained.address, 8);
  for (;;) {
    const received: { message: readonly ToMediaThread[] } | undefined = receiveMessageOnPort(port);
    if (received === undefined) return;
    for (const message of received.message) takeMessage(message);
  }
}

function takeMessage(message: ToMediaThread): void {
  switch (message.type) {
    case "ports":
      punchPort = message.punchPort;
      return;
    case "open-socket":
      openSocket(message);
      return;
    case "close-socket":
      closeSocket(message.socket);
      tell({ type: "done", ticket: message.ticket });
      return;
    case "apply":
      for (const change of message.changes) {
        table.apply(change);
        if (change.type === "set-flow") pauseAt(formatEndpoint(change.flow.local));
      }
      // What went the old way is told before the change is.
      tellCarried();
      tell({ type: "done", ticket: message.ticket });
      return;
    case "deliver":
      drained.u8.set(message.bytes);
      run.add(drained.address, message.bytes.length);
      table.fanOut(message.component)?.send();
      run.clear();
      return;
    case "taken":
      taken(message.socket, message.count);
      return;
    case "tell-within":
      carriedEveryMs = message.ms;
      return;
    case "read":
      tell({
        type: "counters",
        ticket: message.ticket,
        counters: { ...table.counters(), refused: { "too-many-waiting": turnedAway } },
      });
      return;
    case "close":
      running = false;
  }
}

function openSocket({ socket: id, fd, local }: ToMediaThread & { type: "open-socket" }): void {
  const name = formatEndpoint(local);
  sockets.set(id, { id, fd, local: name, port: local.port, waiting: 0, paused: false });
  fds.set(name, fd);
  epoll.add(fd, id);
}

function closeSocket(id: number): void {
  const socket = sockets.get(id);
  if (socket === undefined) return;
  sockets.delete(id);
  if (fds.get(socket.local) === socket.fd) fds.delete(socket.local);
  waiting -= socket.waiting;
  epoll.remove(socket.fd);
}

/** What a new flow has sent already is on its way through the main thread: what comes next waits for it in the socket. */
function pauseAt(local: string): void {
  for (const socket of sockets.values()) {
    if (socket.local === local && socket.waiting > 0) pause(socket);
  }
}

function pause(socket: MediaSocket): void {
  if (socket.paused) return;
  socket.paused = true;
  epoll.pause(socket.fd, socket.id, true);
}

function taken(id: number, count: number): void {
  const socket = sockets.get(id);
  if (socket === undefined) return;
  socket.waiting -= count;
  waiting -= count;
  if (!socket.paused || socket.waiting > 0) return;
  socket.paused = false;
  epoll.pause(socket.fd, socket.id, false);
}
