import { formatHost } from "./address.ts";

/** True for what names a relay's HTTP port: a port of its host, an `http://` or `https://` URL, or `none`. */
export function isHttpPlace(text: string): boolean {
  if (text === "none") return true;
  if (/^\d{1,5}$/.test(text)) return Number(text) >= 1 && Number(text) <= 65_535;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^https?:$/.test(url.protocol) && url.search + url.hash + url.username === "";
}

/**
 * The URL, without a slash at its end, that a relay's paths are put to; `undefined` if it has no HTTP port. Unless `http`
 * says otherwise that is the TCP port of the punch port's number.
 */
export function httpBaseOf(relay: {
  readonly host: string;
  readonly port: number;
  /** See `isHttpPlace`. */
  readonly http?: string | undefined;
}): string | undefined {
  const { host, port, http = String(port) } = relay;
  if (http === "none") return undefined;
  return /^\d+$/.test(http) ? `http://${formatHost(host)}:${http}` : http.replace(/\/+$/, "");
}
