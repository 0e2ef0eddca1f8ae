import type { FullIntraRequest, PictureLossIndication } from "../rtp/rtcp/feedback.ts";

/** A viewer's wish for a key frame: the decoder lacks a picture (PLI), or has none yet (FIR). */
export type KeyFrameRequest = PictureLossIndication | FullIntraRequest;

/** Who asks whom. */
export interface KeyFrameRequestsOptions {
  /** The relay's own SSRC, under which it asks. */
  readonly senderSsrc: () => number;
  /** The track's SSRC at present; requests about others are ignored, all of them while it is `undefined`. */
  readonly mediaSsrc: () => number | undefined;
  /**
   * Milliseconds between two requests to the publisher, 1000 by default. Less would let viewers with bad paths drive the
   * bitrate up for all; more would keep one that joins waiting.
   */
  readonly intervalMs?: number;
}

/** Merges the key frame requests of all viewers of one track. */
export interface KeyFrameRequests {
  /** Takes a viewer's request; `viewer` is any name for it. */
  onRequest(viewer: string, request: KeyFrameRequest): void;
  /** A key frame has come: who asked before it is served. */
  onKeyFrame(): void;
  /** When `take` has something, in ms of a monotonic clock: `-Infinity` for at once, `Infinity` for never. */
  wakeAt(): number;
  /** The request to send to the publisher now, if one is due. */
  take(now: number): KeyFrameRequest | undefined;
}

/** Viewers whose FIR numbers are remembered; the one that asked longest ago gives way. */
const viewersMax = 1_000;

/**
 * Nothing asked for yet. A request goes to the publisher as PLI or FIR, as the viewer asked; of several at once as a FIR
 * if one of them is, since that must be obeyed where a PLI is a hint (RFC 5104 §4.3.1).
 */
export function createKeyFrameRequests(options: KeyFrameRequestsOptions): KeyFrameRequests {
  const { senderSsrc, mediaSsrc, intervalMs = 1_000 } = options;
  /** Each viewer's last FIR: the same number again is the same command (RFC 5104 §4.3.1.1). */
  const commands = new Map<string, number>();
  let form: KeyFrameRequest["type"] | undefined;
  let sentAt = Number.NEGATIVE_INFINITY;
  let sequenceNumber = 0;

  function isNew(viewer: string, number: number): boolean {
    if (commands.get(viewer) === number) return false;
    commands.delete(viewer);
    commands.set(viewer, number);
    if (commands.size > viewersMax) commands.delete(commands.keys().next().value ?? "");
    return true;
  }

  return {
    onRequest(viewer, request) {
      const ssrc = mediaSsrc();
      if (ssrc === undefined) return;
      if (request.type === "pli") {
        if (request.mediaSsrc === ssrc) form ??= "pli";
        return;
      }
      const command = request.requests.find((entry) => entry.ssrc === ssrc);
      if (command !== undefined && isNew(viewer, command.sequenceNumber)) form = "fir";
    },

    onKeyFrame() {
      form = undefined;
    },

    wakeAt: () => (form === undefined ? Number.POSITIVE_INFINITY : sentAt + intervalMs),

    take(now) {
      const ssrc = mediaSsrc();
      if (form === undefined || ssrc === undefined || now < sentAt + intervalMs) return undefined;
      const asked = form;
      form = undefined;
      sentAt = now;
      if (asked === "pli") return { type: "pli", senderSsrc: senderSsrc(), mediaSsrc: ssrc };
      sequenceNumber = (sequenceNumber + 1) & 0xff;
      // RFC 5104 §4.3.1.2: the entry names the source, and the packet's own field is 0.
      return { type: "fir", senderSsrc: senderSsrc(), mediaSsrc: 0, requests: [{ ssrc, sequenceNumber }] };
    },
  };
}
