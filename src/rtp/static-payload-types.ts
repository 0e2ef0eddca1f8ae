/** What a payload type stands for without an rtpmap. */
export interface StaticPayloadType {
  /** As an rtpmap would name it. */
  readonly codec: string;
  /** In Hz. */
  readonly clockRate: number;
  /** Audio only. */
  readonly channels?: number;
}

/** RFC 3551 §6, tables 4 and 5. */
const staticPayloadTypes: ReadonlyMap<number, StaticPayloadType> = new Map(
  [
    audio(0, "PCMU", 8000),
    audio(3, "GSM", 8000),
    audio(4, "G723", 8000),
    audio(5, "DVI4", 8000),
    audio(6, "DVI4", 16_000),
    audio(7, "LPC", 8000),
    audio(8, "PCMA", 8000),
    // G722 samples at 16 kHz, but its RTP clock stays at 8 kHz (RFC 3551 §4.5.2).
    audio(9, "G722", 8000),
    audio(10, "L16", 44_100, 2),
    audio(11, "L16", 44_100),
    audio(12, "QCELP", 8000),
    audio(13, "CN", 8000),
    video(14, "MPA"),
    audio(15, "G728", 8000),
    audio(16, "DVI4", 11_025),
    audio(17, "DVI4", 22_050),
    audio(18, "G729", 8000),
    video(25, "CelB"),
    video(26, "JPEG"),
    video(28, "nv"),
    video(31, "H261"),
    video(32, "MPV"),
    video(33, "MP2T"),
    video(34, "H263"),
  ].map(({ payloadType, ...meaning }) => [payloadType, meaning]),
);

/** What RFC 3551 §6 assigns to a payload type once and for all; `undefined` for dynamic and unassigned ones. */
export function staticPayloadType(payloadType: number): StaticPayloadType | undefined {
  return staticPayloadTypes.get(payloadType);
}

function audio(
  payloadType: number,
  codec: string,
  clockRate: number,
  channels = 1,
): StaticPayloadType & { payloadType: number } {
  return { payloadType, codec, clockRate, channels };
}

/** Anything on the 90 kHz clock, MPEG audio included. */
function video(payloadType: number, codec: string): StaticPayloadType & { payloadType: number } {
  return { payloadType, codec, clockRate: 90_000 };
}
