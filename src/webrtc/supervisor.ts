import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Clock, scheduleEvery } from "../core/clock.ts";
import { createFrameReader, encodeFrame, type Frame } from "./frames.ts";
import type { FromChild, ToChild } from "./messages.ts";

/** The process that speaks WebRTC, as long as it lives and again when it has died. */
export interface Supervisor {
  /** Starts it if it is not there; resolves when it can be talked to, rejects with a sentence if it cannot. */
  ready(): Promise<void>;
  tell(message: ToChild): void;
  /** Hands on a packet; drops it if the process does not keep up. */
  packet(feed: number, component: number, bytes: Uint8Array, ageMs: number): void;
  close(): Promise<void>;
}

/** What it works with. */
export interface SupervisorOptions {
  readonly clock: Clock;
  readonly start: () => ToChild & { readonly type: "start" };
  readonly onMessage: (message: FromChild) => void;
  /** The process is gone with all its sessions; `message` says so to whoever runs the relay. */
  readonly onGone: (message: string) => void;
  /** Default: this Node, with child.ts. For tests. */
  readonly entry?: string;
}

/**
 * Bytes that may wait in the pipe: a second of 64 Mbit/s. A process that is further behind would show browsers the past,
 * and the relay's memory is not for that.
 */
const waitingMax = 8 << 20;

/** Starts a second it may die in before it is left dead for a while, so that a crash at start does not keep a core busy. */
const restartMs = 1_000;

/**
 * Ticks without a word after which it counts as hung and is killed: it speaks every second. Fewer, and a machine that stands
 * still for a while would cut browsers off; more, and they would wait for longer. Ticks and not time, since a relay that
 * stood still itself has not read yet what was said meanwhile.
 */
const silentTicksMax = 10;
const tickMs = 1_000;

/** How long it has to come up, and to end. */
const startMs = 5_000;
const endMs = 500;

interface Running {
  readonly child: ChildProcess;
  readonly pipe: Duplex;
  readonly up: Promise<void>;
}

/** A supervisor that has started nothing yet: a relay without browsers pays for none. */
export function createSupervisor(options: SupervisorOptions): Supervisor {
  const { clock, onMessage, onGone } = options;
  const entry = options.entry ?? fileURLToPath(new URL(import.meta.url.replace(/supervisor(\.\w+)$/, "child$1")));
  let running: Running | undefined;
  let startedAt = Number.NEGATIVE_INFINITY;
  let isClosed = false;
  let isFull = false;

  function start(): Running {
    startedAt = clock.now();
    const child = spawn(process.execPath, [entry], { stdio: ["ignore", "ignore", "inherit", "pipe"] });
    const pipe = child.stdio[3] as Duplex;
    const gate = Promise.withResolvers<void>();
    const cancel = clock.schedule(startMs, () => gate.reject(new Error("it did not start in time")));
    const settle = (): void => cancel();
    gate.promise.then(settle, settle);
    let silentTicks = 0;
    const stopTicks = scheduleEvery(clock, tickMs, () => {
      silentTicks += 1;
      if (silentTicks > silentTicksMax) child.kill("SIGKILL");
    });
    let gone = false;
    const onEnd = (why: string): void => {
      if (gone) return;
      gone = true;
      stopTicks();
      gate.reject(new Error(why));
      if (running?.child === child) running = undefined;
      if (!isClosed) onGone(why);
    };
    child.once("error", (error) => onEnd(`its process could not be started: ${error.message}`));
    child.once("exit", (code, signal) => onEnd(`its process ended (${signal ?? code})`));
    pipe.on("error", () => {});
    pipe.on(
      "data",
      createFrameReader(
        (frame) => {
          silentTicks = 0;
          const message = frame.kind === "message" ? readMessage(frame.text) : undefined;
          if (message?.type === "ready") gate.resolve();
          else if (message?.type === "failed") gate.reject(new Error(message.message));
          if (message !== undefined) onMessage(message);
        },
        // What has written over its own memory may say anything; nothing of it is worth keeping.
        () => child.kill("SIGKILL"),
      ),
    );
    isFull = false;
    write(pipe, { kind: "message", text: JSON.stringify(options.start()) });
    return { child, pipe, up: gate.promise };
  }

  function write(pipe: Duplex, frame: Frame): void {
    // The packets of one turn of the event loop leave with one system call.
    if (pipe.writableCorked === 0) {
      pipe.cork();
      setImmediate(() => pipe.uncork());
    }
    pipe.write(encodeFrame(frame));
  }

  return {
    async ready() {
      if (isClosed) throw new Error("the relay is stopping");
      if (running === undefined) {
        if (clock.now() - startedAt < restartMs) throw new Error("it has just ended and is started again in a second");
        running = start();
      }
      await running.up;
    },

    tell(message) {
      if (running === undefined) return;
      write(running.pipe, { kind: "message", text: JSON.stringify(message) });
      if (running.pipe.writableLength > 2 * waitingMax) running.child.kill("SIGKILL");
    },

    packet(feed, component, bytes, ageMs) {
      if (running === undefined) return;
      const { pipe } = running;
      // Dropping goes on until half has gone, so that one gap is seen and not a hundred.
      isFull = pipe.writableLength > (isFull ? waitingMax / 2 : waitingMax);
      if (!isFull) write(pipe, { kind: "packet", feed, component, ageMs, bytes });
    },

    async close() {
      isClosed = true;
      if (running === undefined) return;
      const { child, pipe } = running;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      pipe.end();
      const cancel = clock.schedule(endMs, () => child.kill("SIGKILL"));
      await ended;
      cancel();
    },
  };
}

function readMessage(text: string): FromChild | undefined {
  try {
    return JSON.parse(text) as FromChild;
  } catch {
    return undefined;
  }
}
