import { type Decoded, decoded, malformed } from "../../core/result.ts";
import { paddedLength, uint16At, uint16Bytes } from "../bytes.ts";

/** One way to make a key of a password, with its parameters: empty for MD5 and SHA-256 (RFC 8489 §18.5). */
export interface PasswordAlgorithm {
  /** A name of IANA's "STUN Password Algorithms", or the number of one we do not know. */
  readonly algorithm: "MD5" | "SHA-256" | number;
  readonly parameters: Uint8Array;
}

/** Why bytes are not password algorithms: an entry is cut off, or there is not exactly the one that there has to be. */
export type PasswordAlgorithmReason = "truncated" | "not-one";

const names: readonly (readonly [number, "MD5" | "SHA-256"])[] = [
  [0x0001, "MD5"],
  [0x0002, "SHA-256"],
];

/**
 * PASSWORD-ALGORITHMS (RFC 8489 §14.11): what the server accepts, in order of its preference. The client sends the list
 * back unchanged, under the integrity, as proof against bidding down.
 *
 * ```
 * |          algorithm            |      parameters length        |  repeated,
 * |                  parameters, padded to 32 bits …              |  to the end
 * ```
 */
export function encodePasswordAlgorithms(list: readonly PasswordAlgorithm[]): Uint8Array {
  return Uint8Array.from(list.flatMap((entry) => [...encodePasswordAlgorithm(entry)]));
}

/** PASSWORD-ALGORITHM (RFC 8489 §14.12): the one that the client chose, as an entry of the list above. */
export function encodePasswordAlgorithm({ algorithm, parameters }: PasswordAlgorithm): Uint8Array {
  const number = typeof algorithm === "number" ? algorithm : (names.find(([, name]) => name === algorithm)?.[0] ?? 0);
  const bytes = new Uint8Array(4 + paddedLength(parameters.length));
  bytes.set([...uint16Bytes(number), ...uint16Bytes(parameters.length)]);
  bytes.set(parameters, 4);
  return bytes;
}

/** Reads a PASSWORD-ALGORITHMS list. Padding may be missing after the last entry, where the attribute's own stands in. */
export function decodePasswordAlgorithms(value: Uint8Array): Decoded<PasswordAlgorithm[], PasswordAlgorithmReason> {
  const list: PasswordAlgorithm[] = [];
  for (let offset = 0; offset < value.length; ) {
    if (offset + 4 > value.length) return malformed("truncated");
    const number = uint16At(value, offset);
    const end = offset + 4 + uint16At(value, offset + 2);
    if (end > value.length) return malformed("truncated");
    const algorithm = names.find(([known]) => known === number)?.[1] ?? number;
    list.push({ algorithm, parameters: value.subarray(offset + 4, end) });
    offset = paddedLength(end);
  }
  return decoded(list);
}

/** Reads a PASSWORD-ALGORITHM: exactly one entry. */
export function decodePasswordAlgorithm(value: Uint8Array): Decoded<PasswordAlgorithm, PasswordAlgorithmReason> {
  const list = decodePasswordAlgorithms(value);
  if (!list.ok) return list;
  const [only, ...others] = list.value;
  return only === undefined || others.length > 0 ? malformed("not-one") : decoded(only);
}
