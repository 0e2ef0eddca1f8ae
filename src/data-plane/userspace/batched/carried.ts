import type { ComponentId } from "../../../relay/forwarding.ts";
import { createParcelWriter, type ParcelPacket, readParcel } from "./parcel.ts";

/** Copies of packets that the media thread sent on, for the main thread. */
export interface CarriedParcel {
  readonly parcel: Uint8Array<ArrayBuffer>;
  /** The component of each flow that the packets came over. */
  readonly flows: ReadonlyMap<number, ComponentId>;
}

/** Gathers such copies. */
export interface CarriedWriter {
  /** Notes a packet of a flow; `atMs` is its arrival on the main thread's clock. */
  add(flow: { readonly number: number; readonly component: ComponentId }, atMs: number, bytes: Uint8Array): void;
  /** What was noted since the last time, `undefined` if there is nothing. */
  take(): CarriedParcel | undefined;
  readonly isEmpty: boolean;
}

/** One of them; `bytes` are a view into the parcel. */
export interface CarriedPacket extends Pick<ParcelPacket, "bytes"> {
  readonly component: ComponentId;
  readonly atMs: number;
}

/** The head is the time of arrival. */
const headBytes = 8;

/** An empty one. */
export function createCarriedWriter(): CarriedWriter {
  const writer = createParcelWriter(headBytes);
  const time = new Float64Array(1);
  const head = new Uint8Array(time.buffer);
  let flows = new Map<number, ComponentId>();
  return {
    add({ number, component }, atMs, bytes) {
      time[0] = atMs;
      writer.add(number, head, bytes);
      if (!flows.has(number)) flows.set(number, component);
    },
    take() {
      const parcel = writer.take();
      if (parcel === undefined) return undefined;
      const named = flows;
      flows = new Map();
      return { parcel, flows: named };
    },
    get isEmpty() {
      return writer.isEmpty;
    },
  };
}

/** Takes it apart, in order of arrival. */
export function* readCarried({ parcel, flows }: CarriedParcel): Generator<CarriedPacket> {
  const times = new Float64Array(parcel.buffer, parcel.byteOffset, parcel.length >> 3);
  for (const { number, headAt, bytes } of readParcel(parcel, headBytes)) {
    yield { component: flows.get(number) ?? "", atMs: times[headAt >> 3] ?? 0, bytes };
  }
}
