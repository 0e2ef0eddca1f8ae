import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { readUint32, writeUint32 } from "../wire.ts";
import { encodeRawPacket, type RawRtcpPacket, type RtcpMalformation, rtcpPacketTypes } from "./packet.ts";
import { limitedUtf8, readUtf8 } from "./text.ts";

/** BYE (RFC 3550 §6.6): sources that stop. Some senders never send it, and some go on after it. */
export interface Bye {
  readonly type: "bye";
  /** At most 31. */
  readonly ssrcs: readonly number[];
  /** Why, for people; at most 255 bytes of UTF-8, absent if not said. */
  readonly reason?: string;
}

/** Reads the packet's body. A reason that runs past the end makes it malformed. */
export function decodeBye(raw: RawRtcpPacket): Decoded<Bye, RtcpMalformation> {
  const { body, count } = raw;
  const reasonAt = count * 4;
  if (reasonAt > body.length) return malformed("bad-body");
  const ssrcs = Array.from({ length: count }, (_, i) => readUint32(body, i * 4));
  const length = body[reasonAt];
  if (length === undefined) return decoded({ type: "bye", ssrcs });
  if (reasonAt + 1 + length > body.length) return malformed("bad-body");
  return decoded({ type: "bye", ssrcs, reason: readUtf8(body, reasonAt + 1, length) });
}

/** Writes the packet; sources after the 31st are left out, the reason is cut at 255 bytes between characters. */
export function encodeBye(bye: Bye): Uint8Array {
  const ssrcs = bye.ssrcs.slice(0, 31);
  const reason = bye.reason === undefined ? undefined : limitedUtf8(bye.reason);
  const reasonAt = ssrcs.length * 4;
  const body = new Uint8Array(reasonAt + (reason === undefined ? 0 : 1 + reason.length));
  ssrcs.forEach((ssrc, i) => {
    writeUint32(body, i * 4, ssrc);
  });
  if (reason !== undefined) {
    body[reasonAt] = reason.length;
    body.set(reason, reasonAt + 1);
  }
  return encodeRawPacket(rtcpPacketTypes.bye, ssrcs.length, body);
}
