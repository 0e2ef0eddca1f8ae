import { isIP } from "node:net";

/** One end of a UDP flow. `address` is a normalized IPv4 or IPv6 literal (see `normalizeAddress`), `port` 0-65535. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** 4 or 6, the IP version of a normalized address. */
export function addressFamily(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

/**
 * Makes one text of the many an address can have: IPv4-mapped IPv6 (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2) becomes IPv4,
 * zone identifiers go, IPv6 is written as RFC 5952 does. Returns `undefined` for anything that is not an IP literal.
 */
export function normalizeAddress(text: string): string | undefined {
  const bytes = addressToBytes(text);
  return bytes === undefined ? undefined : bytesToAddress(bytes);
}

/** The 4 or 16 bytes of an IP literal in network order, `undefined` if `text` is none. IPv4-mapped IPv6 gives 4 bytes. */
export function addressToBytes(text: string): Uint8Array | undefined {
  const bare = text.includes("%") ? text.slice(0, text.indexOf("%")) : text;
  const version = isIP(bare);
  if (version === 4) return Uint8Array.from(bare.split("."), Number);
  if (version === 0) return undefined;
  const bytes = ipv6ToBytes(bare);
  return isMappedIpv4(bytes) ? bytes.slice(12) : bytes;
}

/** The literal for 4 or 16 bytes in network order; IPv6 as RFC 5952 writes it, IPv4-mapped IPv6 as IPv4. */
export function bytesToAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (isMappedIpv4(bytes)) return bytes.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0));
  const zeros = longestZeroRun(groups);
  const hex = (part: number[]): string => part.map((group) => group.toString(16)).join(":");
  if (zeros.length < 2) return hex(groups);
  return `${hex(groups.slice(0, zeros.start))}::${hex(groups.slice(zeros.start + zeros.length))}`;
}

/** `192.0.2.1:9000` or `[2001:db8::1]:9000`: one text per endpoint, fit for a map's key and for people. */
export function formatEndpoint(endpoint: Endpoint): string {
  return addressFamily(endpoint.address) === 6
    ? `[${endpoint.address}]:${endpoint.port}`
    : `${endpoint.address}:${endpoint.port}`;
}

/** An address as it stands in a URL's host: IPv6 in brackets, host names as they are. */
export function formatHost(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

/** True if both name the same address and port. */
export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.address === b.address;
}

/**
 * Reads `HOST`, `HOST:PORT`, `[IPV6]`, `[IPV6]:PORT` or a bare IPv6 literal. The host may be a name.
 * Returns `undefined` if the text is none of these or the port is not 1-65535.
 */
export function parseHostPort(text: string, defaultPort: number): { host: string; port: number } | undefined {
  if (isIP(text) === 6) return { host: text, port: defaultPort };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || (match?.[1] !== undefined && isIP(host) !== 6)) return undefined;
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  return port >= 1 && port <= 65535 ? { host, port } : undefined;
}

function ipv6ToBytes(text: string): Uint8Array {
  const embedded = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  const pair = (a = "0", b = "0"): string => ((Number(a) << 8) | Number(b)).toString(16);
  const hex = embedded ? `${embedded[1]}${pair(embedded[2], embedded[3])}:${pair(embedded[4], embedded[5])}` : text;
  const [head = "", tail] = hex.split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const all = [...front, ...Array<string>(8 - front.length - back.length).fill("0"), ...back];
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]));
}

function isMappedIpv4(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((b) => b === 0);
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let run = 0;
  groups.forEach((group, i) => {
    run = group === 0 ? run + 1 : 0;
    if (run > best.length) best = { start: i - run + 1, length: run };
  });
  return best;
}
