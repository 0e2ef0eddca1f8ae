import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { type Cidr, cidrContains } from "../core/cidr.ts";
import type { Hole, HoleRequest } from "./holes.ts";
import type { Stream } from "./stream.ts";

/** Who may punch without credentials. */
export interface OpenOptions {
  /** Sources that may; empty: every source. */
  readonly from: readonly Cidr[];
}

/**
 * Reads a bare punch: a datagram of one digit `'0'`..`'9'` asks for that component, anything else for component 0 or, from
 * an address that already has a hole, for that hole again. The sender proves nothing: whoever can forge a source address
 * can point the stream at it (RFC 7362), so a relay takes bare punches only when it is told to.
 */
export function readBarePunch(
  bytes: Uint8Array,
  at: { readonly local: Endpoint; readonly from: Endpoint; readonly hole: Hole | undefined },
  stream: Stream,
  open: OpenOptions,
): HoleRequest | "bare-source-not-allowed" | "bare-no-such-component" {
  const { local, from, hole } = at;
  if (open.from.length > 0 && !open.from.some((cidr) => cidrContains(cidr, from.address)))
    return "bare-source-not-allowed";
  const component = digitOf(bytes) ?? hole?.component ?? 0;
  if (component >= stream.components) return "bare-no-such-component";
  return {
    id: `bare/${stream.name}/${component}/${formatEndpoint(from)}`,
    stream,
    component,
    by: "bare",
    local,
    remote: from,
  };
}

function digitOf(bytes: Uint8Array): number | undefined {
  const digit = (bytes[0] ?? 0) - 0x30;
  return bytes.length === 1 && digit >= 0 && digit <= 9 ? digit : undefined;
}
