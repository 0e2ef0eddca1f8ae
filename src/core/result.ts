/**
 * What a decoder returns: the value, or the reason why the bytes are not one.
 * Whatever arrives on a socket is data, so a decoder never throws; the caller counts failures by `reason`.
 */
export type Decoded<T, Reason extends string = string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: Reason };

/** A decoder's success. */
export function decoded<T>(value: T): { readonly ok: true; readonly value: T } {
  return { ok: true, value };
}

/** A decoder's failure, with the reason to count it by. */
export function malformed<Reason extends string>(reason: Reason): { readonly ok: false; readonly reason: Reason } {
  return { ok: false, reason };
}
