import { PunchcastError } from "../../core/errors.ts";
import { type Decoded, decoded, malformed } from "../../core/result.ts";

/** Who asks: a viewer wants a component's packets, a publisher wants to feed them. */
export type PunchRole = "viewer" | "publisher";

/** What a Punchcast request and its response say beyond plain STUN. */
export interface Punch {
  readonly role: PunchRole;
  /** Which UDP port of the stream this hole is for, 0-255. */
  readonly component: number;
  /** 64 random bits that name the party over all of its holes and address changes, as 16 lower-case hex digits. */
  readonly session: string;
  /** In a response: how many components the stream has, 0-255. In a request 0. */
  readonly components: number;
  /** In a response: whether a publisher feeds the stream right now. In a request false. */
  readonly publisherLive: boolean;
}

/** Why bytes are not a punch that we understand. */
export type PunchReason = "too-short" | "unknown-version" | "unknown-role";

/** Bytes before the padding. */
export const punchLength = 12;

// A later layout that this one's readers would misread has to raise it; new trailing fields or flags need not.
const version = 1;

const publisherLiveFlag = 0x01;

const roles: readonly PunchRole[] = ["viewer", "publisher"];

/**
 * Punchcast's own attribute, 0xca57, comprehension-optional: a plain STUN server ignores it. The relay refuses a signed
 * request without it, having nothing to do for it.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |ver = 1| role  |   component   |  components   | reserved    |L|
 * |                    session id (64 bits) …                     |
 * |                    padding, 0 or more bytes                   |
 * ```
 *
 * role: 0 viewer, 1 publisher; L: a publisher is live. Padding (`paddingLength` zero bytes, ignored when read) lets a
 * request be as long as the response to it, which by the relay's rule is never the longer one.
 * Throws `INTERNAL` if a number does not fit 8 bits or the session is not 16 lower-case hex digits.
 */
export function encodePunch(
  punch: Pick<Punch, "role" | "component" | "session"> & Partial<Punch>,
  paddingLength = 0,
): Uint8Array {
  const { role, component, session, components = 0, publisherLive = false } = punch;
  if (!isUint8(component) || !isUint8(components) || !/^[0-9a-f]{16}$/.test(session)) {
    throw new PunchcastError("INTERNAL", `${JSON.stringify(punch)} does not fit a punch; please report this.`);
  }
  const bytes = new Uint8Array(punchLength + paddingLength);
  bytes.set([(version << 4) | roles.indexOf(role), component, components, publisherLive ? publisherLiveFlag : 0]);
  bytes.set(Buffer.from(session, "hex"), 4);
  return bytes;
}

/** Reads what `encodePunch` writes; unknown flags and all bytes after the session are ignored. */
export function decodePunch(value: Uint8Array): Decoded<Punch, PunchReason> {
  if (value.length < punchLength) return malformed("too-short");
  const [first = 0, component = 0, components = 0, flags = 0] = value;
  if (first >> 4 !== version) return malformed("unknown-version");
  const role = roles[first & 0x0f];
  if (role === undefined) return malformed("unknown-role");
  const session = Buffer.from(value.subarray(4, punchLength)).toString("hex");
  return decoded({ role, component, session, components, publisherLive: (flags & publisherLiveFlag) !== 0 });
}

function isUint8(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xff;
}
