/** What is known of the RTP of one component without its sender's SDP. */
export interface TrackFacts {
  readonly kind: "audio" | "video";
  /** 0-127. */
  readonly payloadType: number;
  /** The name in the codec's RTP payload format, such as `H264`, `H265`, `VP8`, `VP9`, `AV1`, `MP2T`, `opus`, `PCMU`. */
  readonly codec: string;
  /** In Hz. */
  readonly clockRate: number;
  /** Audio only. */
  readonly channels?: number;
  /** Codec parameters as in a=fmtp, such as `packetization-mode=1; sprop-parameter-sets=…`. */
  readonly fmtp?: string;
}
