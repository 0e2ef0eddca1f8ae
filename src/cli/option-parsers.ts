import { InvalidArgumentError } from "commander";
import { normalizeAddress, parseHostPort } from "../core/address.ts";
import { type Cidr, parseCidr } from "../core/cidr.ts";
import { isHttpPlace } from "../core/http-place.ts";

/** Reads an integer option between `min` and `max`. The command line's parser adds the option's name to the error. */
export function integer(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Give a whole number from ${min} to ${max}.`);
  };
}

/** Reads an integer option between `min` and `max`, or the word `none`. */
export function integerOrNone(min: number, max: number): (text: string) => number | "none" {
  return (text) => (text === "none" ? "none" : integer(min, max)(text));
}

/** Timers count milliseconds in 31 bits; what is longer would end at once. About 24 days. */
const secondsMax = 2_147_483;

/** Reads seconds, fractions allowed, more than 0. */
export function seconds(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= secondsMax) return value;
  throw new InvalidArgumentError(`Give seconds, more than 0 and at most ${secondsMax}.`);
}

/** Collects a repeatable option of address blocks. */
export function cidrs(text: string, before: readonly Cidr[] | undefined): readonly Cidr[] {
  const cidr = parseCidr(text);
  if (cidr === undefined)
    throw new InvalidArgumentError("Give an address or a block such as 192.0.2.0/24 or 2001:db8::/32.");
  return [...(before ?? []), cidr];
}

/** Reads an IP address. */
export function ipAddress(text: string): string {
  const address = normalizeAddress(text);
  if (address === undefined) throw new InvalidArgumentError("Give an IP address.");
  return address;
}

/** Reads a host name or an IP address; not a port, not a URL. */
export function hostName(text: string): string {
  const parsed = parseHostPort(text, 1);
  // `host:1` has a port too, which only another default tells from none.
  if (parsed === undefined || parsed.port !== 1 || parseHostPort(text, 2)?.port !== 2)
    throw new InvalidArgumentError("Give a host name or an IP address.");
  return parsed.host;
}

/** Reads components such as `0,2`. */
export function componentList(text: string): readonly number[] {
  const components = text.split(",").map((part) => (/^\d{1,3}$/.test(part.trim()) ? Number(part) : 255));
  if (components.some((component) => component > 254))
    throw new InvalidArgumentError("Give components such as 0 or 0,2.");
  return [...new Set(components)].sort((a, b) => a - b);
}

/** Collects a repeatable option of `udp://HOST:PORT`; the host a name, an IPv4 address, or an IPv6 one in brackets. */
export function udpUrls(
  text: string,
  before: readonly { host: string; port: number }[] | undefined,
): readonly { readonly host: string; readonly port: number }[] {
  const rest = /^udp:\/\/(.+)$/i.exec(text)?.[1] ?? "";
  const parsed = parseHostPort(rest, 1);
  // Only another default tells a port that is missing from one that is the default's.
  if (parsed === undefined || parseHostPort(rest, 2)?.port !== parsed.port)
    throw new InvalidArgumentError("Give udp://HOST:PORT, such as udp://127.0.0.1:5600 or udp://[::1]:5600.");
  return [...(before ?? []), parsed];
}

/** Reads the URL of a relay's HTTP port. */
export function httpUrl(text: string): string {
  if (/^https?:/i.test(text) && isHttpPlace(text)) return text;
  throw new InvalidArgumentError("Give a URL such as http://127.0.0.1:9000 or https://relay.example.");
}

/** Reads where a relay's HTTP is. */
export function httpPlace(text: string): string {
  if (isHttpPlace(text)) return text;
  throw new InvalidArgumentError("Give a port, a URL such as https://relay.example, or 'none'.");
}
