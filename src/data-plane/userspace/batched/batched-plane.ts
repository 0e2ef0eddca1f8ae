import { extname } from "node:path";
import { MessageChannel, Worker } from "node:worker_threads";
import { monotonicMs } from "../../../core/clock.ts";
import { carriesRtcp } from "../../../relay/forwarding.ts";
import { addressSlot } from "../../../udp/native/layout.ts";
import type { Libc } from "../../../udp/native/libc.ts";
import { canSegment, openNativeSocket } from "../../../udp/native/native-socket.ts";
import { decodeSocketAddress } from "../../../udp/native/socket-address.ts";
import { createWakeUp } from "../../../udp/native/wake-up.ts";
import type { UdpSocket, UdpSocketOptions } from "../../../udp/udp-socket.ts";
import type { DataPlane, MediaListener, PlaneCounters } from "../../data-plane.ts";
import { readCarried } from "./carried.ts";
import type { FromMediaThread, MediaThreadData, ToMediaThread } from "./messages.ts";
import { readParcel } from "./parcel.ts";

/** How the batched plane is made. */
export interface BatchedOptions {
  readonly libc: Libc;
  /** Told up to four times a second that media went by, with totals as in `PlaneCounters`. Default: nobody. */
  readonly onUnseen?: (unseen: PlaneCounters["unseen"]) => void;
  /** As in `PlaneOptions`. Default: no copies are made. */
  readonly onMedia?: MediaListener | undefined;
  /** Whether packets of one frame go to a viewer as one message. Default: where the kernel can cut it up. */
  readonly segmentation?: boolean;
}

/** A plane and the sockets that it moves media between. */
export interface BatchedPlane extends DataPlane {
  /** Opens a socket that the media thread reads; what it does not forward itself comes to `onDatagram`. */
  openSocket(options: UdpSocketOptions): Promise<UdpSocket>;
}

interface Handler {
  readonly onDatagram: UdpSocketOptions["onDatagram"];
}

const noCounters: PlaneCounters = { holes: new Map(), components: new Map(), unseen: new Map() };

/** Starts the media thread and waits for orders. */
export function createBatchedPlane({ libc, onUnseen = () => {}, onMedia, segmentation }: BatchedOptions): BatchedPlane {
  const wakeUp = createWakeUp(libc);
  const { port1: port, port2 } = new MessageChannel();
  const data: MediaThreadData = {
    port: port2,
    wakeUpFd: wakeUp.fd,
    segmentation: segmentation ?? canSegment(libc),
    tap: onMedia !== undefined,
    clockBehindMs: monotonicMs() - performance.now(),
  };
  // The compiled package has no .ts files, a checkout has no .js files.
  const script = new URL(`./media-thread${extname(import.meta.url)}`, import.meta.url);
  // A thread that fails is a defect: its `error` event, for which nobody listens, ends the process and says why.
  const thread = new Worker(script, { workerData: data, transferList: [port2], name: "punchcast media" });
  const ended = new Promise<void>((resolve) => thread.once("exit", () => resolve()));
  const handlers = new Map<number, Handler>();
  const answers = new Map<number, (counters: PlaneCounters) => void>();
  let [lastTicket, lastSocket] = [0, 0];
  let closing: Promise<void> | undefined;

  /** What is decided about one parcel goes down as one message. */
  let decided: ToMediaThread[] | undefined;

  function post(message: ToMediaThread): void {
    if (decided !== undefined) {
      decided.push(message);
      return;
    }
    port.postMessage([message]);
    wakeUp.ring();
  }

  /** Posts and resolves when the thread has done it; at once if the thread has ended. */
  function ask(message: (ticket: number) => ToMediaThread, onDone = (): void => {}): Promise<PlaneCounters> {
    if (closing !== undefined) return Promise.resolve(noCounters);
    lastTicket += 1;
    const ticket = lastTicket;
    return new Promise((resolve) => {
      answers.set(ticket, (counters) => {
        onDone();
        resolve(counters);
      });
      post(message(ticket));
    });
  }

  function answer(ticket: number, counters: PlaneCounters): void {
    answers.get(ticket)?.(counters);
    answers.delete(ticket);
  }

  function takeUp(parcel: Uint8Array<ArrayBuffer>): void {
    const taken = new Map<number, number>();
    decided = [];
    for (const { number: socket, headAt, bytes } of readParcel(parcel, addressSlot)) {
      taken.set(socket, (taken.get(socket) ?? 0) + 1);
      const from = decodeSocketAddress(parcel, headAt);
      // A copy: what keeps a few bytes of one datagram would keep the whole parcel.
      if (from !== undefined) handlers.get(socket)?.onDatagram(bytes.slice(), from);
    }
    for (const [socket, count] of taken) post({ type: "taken", socket, count });
    const messages: readonly ToMediaThread[] = decided;
    decided = undefined;
    if (closing !== undefined) return;
    port.postMessage(messages);
    wakeUp.ring();
  }

  port.on("message", (message: FromMediaThread) => {
    if (message.type === "up") takeUp(message.parcel);
    else if (message.type === "carried") {
      for (const { component, bytes, atMs } of readCarried(message.carried)) onMedia?.(component, bytes, atMs);
    } else if (message.type === "seen") onUnseen(message.unseen);
    else answer(message.ticket, message.type === "counters" ? message.counters : noCounters);
  });

  return {
    name: "userspace",
    holesPerComponent: Number.POSITIVE_INFINITY,
    showsMedia: true,
    survivesRelay: false,

    async start({ punch }, initial) {
      post({ type: "ports", punchPort: punch });
      if (initial.length > 0) await this.apply(initial);
    },

    deliver(component, bytes) {
      if (closing === undefined) post({ type: "deliver", component, bytes });
    },

    async apply(changes, onOpen) {
      // Without a flow of its own, RTCP comes up.
      const wanted = changes.filter((change) => change.type !== "set-flow" || !carriesRtcp(change.component));
      if (wanted.length === 0) return;
      // What the thread carried before was told before it answers.
      const onDone = (): void => {
        for (const change of wanted) if (change.type === "open-hole") onOpen?.(change.hole);
      };
      await ask((ticket) => ({ type: "apply", changes: wanted, ticket }), onDone);
    },

    tellMediaWithin(ms) {
      if (closing === undefined) post({ type: "tell-within", ms });
    },

    readCounters: () => ask((ticket) => ({ type: "read", ticket })),

    close() {
      closing ??= (async () => {
        post({ type: "close" });
        await ended;
        for (const ticket of [...answers.keys()]) answer(ticket, noCounters);
        port.close();
        wakeUp.close();
      })();
      return closing;
    },

    // A promise all the same, as a socket of Node's would be; it rejects with what `openNativeSocket` throws.
    async openSocket(options) {
      const { fd, close, ...socket } = openNativeSocket(libc, options);
      lastSocket += 1;
      const id = lastSocket;
      handlers.set(id, { onDatagram: options.onDatagram });
      post({ type: "open-socket", socket: id, fd, local: socket.local });
      return {
        ...socket,
        async close() {
          if (!handlers.delete(id)) return;
          await ask((ticket) => ({ type: "close-socket", socket: id, ticket }));
          // The thread may be about to end on its own: it must not read a descriptor that has become another's.
          await closing;
          close();
        },
      };
    },
  };
}
