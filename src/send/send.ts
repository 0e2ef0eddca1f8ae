import { writeFile } from "node:fs/promises";
import { parseHostPort } from "../core/address.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { PunchcastError } from "../core/errors.ts";
import { type PunchUrl, parsePunchUrl } from "../core/punch-url.ts";
import { type Random, systemRandom } from "../core/random.ts";
import { openPunchTransport } from "../punch/punch-transport.ts";
import { writeSdp } from "../sdp/session.ts";
import { openMedia } from "./demux.ts";
import type { Media } from "./media.ts";
import { publishSdp } from "./publish-sdp.ts";
import { openRtpTransport } from "./rtp-transport.ts";
import type { SendEvent } from "./send-events.ts";
import { createSender, type Sender, type SendTransport } from "./sender.ts";

/** What to send, and where. */
export interface SendOptions {
  /** An MP4 file. */
  readonly file: string;
  /** `punch://HOST/STREAM?key=…` or `rtp://HOST:PORT`. */
  readonly target: string;
  /** From the start again at the end. Default false. */
  readonly loop?: boolean;
  /** Bytes of the largest UDP payload. Default 1400. */
  readonly mtu?: number;
  /** Where to write the SDP. Default: nowhere. */
  readonly sdpPath?: string;
  readonly onEvent?: (event: SendEvent) => void;
  /** Gives up while it still waits for the relay. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly random?: Random;
}

/** A file on its way. */
export interface Sending {
  /** The SDP that describes it. */
  readonly sdp: string;
  /** Resolves at the end of the file or on `close`; rejects if the file or the relay fails. */
  readonly ended: Promise<void>;
  /** Says BYE and leaves. */
  close(): Promise<void>;
}

interface Transport extends SendTransport {
  readonly address: string;
  sendErrors(): number;
  close(): Promise<void>;
}

/** The port that an SDP names when the stream's ports are not ours to know: RTP's registered one (RFC 3551 §8). */
const nominalPort = 5004;

/**
 * Sends an MP4 file in real time. Resolves when sending has begun.
 * @throws PunchcastError BAD_URL, BAD_OPTION, FILE_UNREADABLE, BAD_MEDIA, NO_PLAYABLE_TRACK, FILE_UNWRITABLE, HOST_UNKNOWN,
 * PORT_IN_USE, RELAY_REFUSED; the signal's reason if it is aborted
 */
export async function send(options: SendOptions): Promise<Sending> {
  const { onEvent = () => {}, clock = systemClock, random = systemRandom } = options;
  const target = parseTarget(options.target);
  const media = await openMedia(options.file);
  for (const { id, reason } of media.skipped) onEvent({ event: "skipped", track: id, reason });
  const end = Promise.withResolvers<void>();
  end.promise.catch(() => {});
  let transport: Transport | undefined;
  let sender: Sender | undefined;
  const onDatagram = (component: number, bytes: Uint8Array): void => sender?.receive(component, bytes);

  async function open(): Promise<{ transport: Transport; basePort: number }> {
    const components = media.tracks.length * 2;
    if (target.kind === "rtp") {
      return { transport: await openRtpTransport({ ...target, components, onDatagram }), basePort: target.port };
    }
    const opened = await openPunchTransport({
      ...{ url: target.url, components, onDatagram, clock, random, onRefused: end.reject },
      onPunched: (component, mapped, relay) => onEvent({ event: "punched", component, mapped, relay }),
      onWaiting: (message) => onEvent({ event: "waiting", message }),
      ...(options.signal && { signal: options.signal }),
    });
    return { transport: opened, basePort: nominalPort };
  }

  const publish = (url: PunchUrl, sdp: string): (() => void) =>
    publishSdp({
      ...{ url, sdp, clock },
      onPublished: () => onEvent({ event: "published", stream: url.stream }),
      onWarning: (message) => onEvent({ event: "warning", message }),
    });

  try {
    const opened = await open();
    transport = opened.transport;
    sender = createSender({
      ...{ media, transport, clock, random },
      ...(options.loop !== undefined && { loop: options.loop }),
      ...(options.mtu !== undefined && { mtu: options.mtu }),
      onStats: (stats) => onEvent({ event: "stats", ...stats, sendErrors: opened.transport.sendErrors() }),
      onEnd: (error) => (error === undefined ? end.resolve() : end.reject(error)),
    });
    const sdp = writeSdp(sender.describe(transport.address, opened.basePort));
    if (options.sdpPath !== undefined) await writeText(options.sdpPath, sdp);
    const tracks = sender.streams.map(({ id, codec, payloadType }, i) => ({
      track: id,
      codec,
      payloadType,
      component: 2 * i,
    }));
    onEvent({
      event: "sending",
      file: options.file,
      tracks,
      ...(options.sdpPath !== undefined && { sdp: options.sdpPath }),
    });
    const stopPublishing = target.kind === "punch" ? publish(target.url, sdp) : () => {};
    sender.start();
    const onClose = (): void => {
      stopPublishing();
      end.resolve();
    };
    return { sdp, ended: end.promise, close: closer(sender, transport, media, onClose, onEvent) };
  } catch (error) {
    await transport?.close();
    await media.close();
    throw error;
  }
}

function closer(
  sender: Sender,
  transport: Transport,
  media: Media,
  onClose: () => void,
  onEvent: (event: SendEvent) => void,
): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= (async () => {
      sender.stop();
      onEvent({ event: "stats", ...sender.stats(), sendErrors: transport.sendErrors() });
      await transport.close();
      await media.close();
      onEvent({ event: "ended" });
      onClose();
    })();
    return closing;
  };
}

type Target =
  | { readonly kind: "punch"; readonly url: PunchUrl }
  | { readonly kind: "rtp"; readonly host: string; readonly port: number };

function parseTarget(text: string): Target {
  if (text.startsWith("punch://")) return { kind: "punch", url: parsePunchUrl(text) };
  const place = text.startsWith("rtp://") ? parseHostPort(text.slice(6).replace(/\/$/, ""), 0) : undefined;
  if (place !== undefined) return { kind: "rtp", ...place };
  throw new PunchcastError("BAD_URL", `'${text}' is no target: write punch://HOST/STREAM?key=KEY or rtp://HOST:PORT.`);
}

async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new PunchcastError(
      "FILE_UNWRITABLE",
      `SDP file ${path} cannot be written: name a writable one with --sdp.`,
      cause,
    );
  }
}
