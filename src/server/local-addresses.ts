import { networkInterfaces } from "node:os";
import { addressFamily, normalizeAddress } from "../core/address.ts";

/**
 * The addresses to bind for `--listen`. A wildcard becomes every address this host has, each with a socket of its own:
 * an answer then leaves from the address that was punched, on hosts with any number of them. IPv6 link-local addresses
 * are left out, since they name no host without an interface.
 */
export function localAddresses(listen: string | undefined): string[] {
  const wanted = listen === undefined ? undefined : normalizeAddress(listen);
  if (wanted !== undefined && wanted !== "0.0.0.0" && wanted !== "::") return [wanted];
  const all = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .map(({ address }) => normalizeAddress(address) ?? "")
    .filter((address) => address !== "" && !address.startsWith("fe80:"));
  const fitting = wanted === "0.0.0.0" ? all.filter((address) => addressFamily(address) === 4) : all;
  return [...new Set(fitting)];
}

/** The address to print for people when none is given: the first that is not loopback, else loopback. */
export function displayAddress(addresses: readonly string[]): string {
  const isLoopback = (address: string): boolean => address.startsWith("127.") || address === "::1";
  const outside = addresses.filter((address) => !isLoopback(address));
  return outside.find((address) => addressFamily(address) === 4) ?? outside[0] ?? addresses[0] ?? "127.0.0.1";
}
