import type { Endpoint } from "../core/address.ts";
import { type Clock, scheduleEvery } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { openPunchTransport } from "../punch/punch-transport.ts";
import { classifyDatagram } from "../rtp/demux.ts";
import { decodeRtp } from "../rtp/header.ts";
import { createParameterSetCollector } from "../rtp/payload/parameter-set-collector.ts";
import { encodeRawPacket, rtcpPacketTypes } from "../rtp/rtcp/packet.ts";
import { writeUint32 } from "../rtp/wire.ts";
import { describe, type MediaDescription } from "../sdp/describe.ts";
import { writeSdp } from "../sdp/session.ts";
import type { AnsweredMedia } from "./negotiate.ts";
import { type AnswerOptions, guard, openPeer, type Peer } from "./peer.ts";

/** A browser, or OBS, that publishes. */
export interface Publisher {
  /** When anything last came from it, or when it was let in. */
  heardAt(): number;
  close(): void;
}

/** What a publisher is made of. */
export interface PublisherOptions extends AnswerOptions {
  /** The relay's punch port, and the key for the stream. */
  readonly relay: Endpoint;
  readonly stream: string;
  readonly key: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly onConnected: () => void;
  /** The SDP of what is published, once all of it is known. */
  readonly onDescribed: (sdp: string) => void;
  /** The relay does not take it any more: another publisher has the stream. */
  readonly onRefused: (message: string) => void;
  /** Gives up before the relay has let it in. */
  readonly signal: AbortSignal;
}

/** How often the browser is told how much it may send: it forgets in a few seconds. */
const estimateMs = 1_000;

/** 8 Mbit/s: more than a camera needs, and the browser slows down by itself when reports tell of loss. */
const mostBitsPerSecond = 8_000_000;

/**
 * Connects one, and sends its media to the relay's punch port like any publisher with the key: the relay repairs, reports
 * and asks for key frames, and what it says goes back to the browser as it is. If this process ends, only its streams do.
 * The way to the relay is opened first, or the key frame with which a browser begins would be lost.
 * @throws PunchcastError RELAY_REFUSED; the signal's reason if it is aborted; what `openPeer` throws
 */
export async function openPublisher(options: PublisherOptions): Promise<Publisher> {
  const { media, clock, random, relay, stream, key } = options;
  // As the stream has its tracks, which need not be the offer's order.
  const carried = media.filter(({ isIdle }) => !isIdle).toSorted((a, b) => a.component - b.component);
  const ssrcs = new Map<string, number>();
  const sets = new Map(
    carried
      .filter(({ format }) => format.codec?.toUpperCase() === "H264")
      .map(({ mid }) => [mid, createParameterSetCollector("H264")]),
  );
  let told = "";
  let heardAt = clock.now();

  /** Tells what is published when it is known, or has changed. */
  function describeAll(): void {
    const described = carried.map((answered) => describedMedia(answered, sets.get(answered.mid)));
    if (described.some((track) => track === undefined)) return;
    const tracks = described.flatMap((track) => track ?? []);
    const sdp = writeSdp(describe({ sessionName: stream, address: "127.0.0.1", basePort: 5004, media: tracks }));
    if (sdp === told) return;
    told = sdp;
    options.onDescribed(sdp);
  }

  function onMedia({ mid, component, format }: AnsweredMedia, bytes: Uint8Array): void {
    const kind = classifyDatagram(bytes);
    if (kind === "rtcp") transport.send(component + 1, bytes);
    if (kind !== "rtp") return;
    const packet = decodeRtp(bytes);
    // Padding alone is the browser's probe of the path, and other payload types are not what was answered.
    if (!packet.ok || packet.value.payload.length === 0 || packet.value.payloadType !== format.payloadType) return;
    ssrcs.set(mid, packet.value.ssrc);
    transport.send(component, bytes);
    const collector = sets.get(mid);
    if (collector === undefined) return;
    collector.onPacket(packet.value);
    describeAll();
  }

  const connect = (): Peer =>
    openPeer({
      ...options,
      direction: "RecvOnly",
      cname: "",
      ssrcOf: () => 0,
      onOpen: options.onConnected,
      onMessage(mid, bytes) {
        heardAt = clock.now();
        const answered = carried.find((each) => each.mid === mid);
        if (answered !== undefined) onMedia(answered, bytes);
      },
    });

  const transport = await openPunchTransport({
    url: { host: relay.address, port: relay.port, stream, key },
    components: 2 * carried.length,
    ...{ clock, random, signal: options.signal },
    onDatagram(component, bytes) {
      const answered = carried.find((each) => each.component === (component & ~1));
      const track = answered && peer?.tracks.get(answered.mid);
      if (track?.isOpen() === true && classifyDatagram(bytes) === "rtcp") {
        guard(() => void track.sendMessageBinary(Buffer.from(bytes)));
      }
    },
    onRefused: (error) => options.onRefused(error.message),
  });
  let peer: Peer | undefined;
  try {
    peer = connect();
  } catch (error) {
    await transport.close();
    throw error;
  }
  const { tracks, close } = peer;
  describeAll();

  const stopEstimates = scheduleEvery(clock, estimateMs, () => {
    for (const [mid, ssrc] of ssrcs) {
      const track = tracks.get(mid);
      if (track?.isOpen() === true) guard(() => void track.sendMessageBinary(estimate(ssrc)));
    }
  });

  return {
    heardAt: () => heardAt,
    close() {
      stopEstimates();
      close();
      void transport.close();
    },
  };
}

/** How a line's media is described to players; `undefined` while H.264's parameter sets have not come. */
function describedMedia(
  { kind, format }: AnsweredMedia,
  collector: ReturnType<typeof createParameterSetCollector> | undefined,
): MediaDescription | undefined {
  const { payloadType, codec = "", clockRate = 90_000, channels } = format;
  const sets = collector?.sets();
  const [sps] = sets?.sps ?? [];
  if (sets !== undefined && sps === undefined) return undefined;
  const sprop = [...(sets?.sps ?? []), ...(sets?.pps ?? [])].map((set) => Buffer.from(set).toString("base64"));
  const fmtp =
    sps === undefined
      ? format.fmtp
      : `packetization-mode=1;profile-level-id=${Buffer.from(sps.subarray(1, 4)).toString("hex")};sprop-parameter-sets=${sprop.join(",")}`;
  return {
    ...{ kind, payloadType, codec, clockRate },
    ...(channels !== undefined && { channels }),
    ...(fmtp !== undefined && { fmtp }),
  };
}

/** REMB (draft-alvestrand-rmcat-remb §2.2): what the receiver lets a source send, as a 6-bit exponent and 18 bits. */
function estimate(ssrc: number): Buffer {
  const exponent = Math.max(0, Math.ceil(Math.log2(mostBitsPerSecond)) - 18);
  const body = new Uint8Array(20);
  body.set(Buffer.from("REMB"), 8);
  writeUint32(body, 12, (1 << 24) | (exponent << 18) | (mostBitsPerSecond >>> exponent));
  writeUint32(body, 16, ssrc);
  const applicationFormat = 15;
  return Buffer.from(encodeRawPacket(rtcpPacketTypes.payloadFeedback, applicationFormat, body));
}
