import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { addressFamily, type Endpoint, formatHost, normalizeAddress } from "../core/address.ts";
import { PunchcastError } from "../core/errors.ts";

/**
 * The addresses of a host, an IP literal's being itself.
 * @throws PunchcastError HOST_UNKNOWN
 */
export async function resolveHost(host: string): Promise<string[]> {
  const literal = normalizeAddress(host);
  if (literal !== undefined) return [literal];
  const unknown = (cause?: unknown): PunchcastError =>
    new PunchcastError(
      "HOST_UNKNOWN",
      `Host '${formatHost(host)}' cannot be resolved: check the name and this host's DNS.`,
      cause,
    );
  const found = await lookup(host, { all: true }).catch((cause: unknown) => {
    throw unknown(cause);
  });
  const addresses = found.flatMap(({ address }) => normalizeAddress(address) ?? []);
  // Who tries one address after the other must have one to try.
  if (addresses.length === 0) throw unknown();
  return addresses;
}

/** The local address that the system would send from to reach `remote`, `undefined` if there is no route. Sends nothing. */
export function sourceAddressFor(remote: Endpoint): Promise<string | undefined> {
  const socket = createSocket(addressFamily(remote.address) === 6 ? "udp6" : "udp4");
  return new Promise((resolve) => {
    const finish = (address: string | undefined): void => {
      socket.close();
      resolve(address);
    };
    socket.once("error", () => finish(undefined));
    // Not the callback of `connect`: that one is called on failure too.
    socket.once("connect", () => finish(normalizeAddress(socket.address().address)));
    socket.connect(remote.port, remote.address);
  });
}
