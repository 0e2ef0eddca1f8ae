import { formatHost, parseHostPort } from "./address.ts";
import { PunchcastError } from "./errors.ts";
import { isHttpPlace } from "./http-place.ts";

/** A stream at a relay, as people pass it around: `punch://HOST[:9000]/STREAM?key=…[&expires=UNIX][&http=PLACE]`. */
export interface PunchUrl {
  /** Name or IP literal (without brackets) of the relay. */
  readonly host: string;
  /** The relay's punch port. Default 9000. */
  readonly port: number;
  readonly stream: string;
  /** The view or publish key, or the password of a time-limited credential. */
  readonly key: string;
  /** Of a time-limited credential: when it ends, in seconds since 1970 UTC. */
  readonly expires?: number;
  /** Where the relay's HTTP is: a TCP port of `host`, an `http(s)://` URL, or `none`. Default: the punch port's number. */
  readonly http?: string;
}

/** The punch port unless a URL or an option says otherwise: the seed's. */
export const defaultPunchPort = 9000;

/**
 * Reads a `punch://` URL.
 * @throws PunchcastError BAD_URL, never naming the key
 */
export function parsePunchUrl(text: string): PunchUrl {
  const match = /^punch:\/\/([^/?#]+)\/([^/?#]+)(?:\?([^#]*))?$/.exec(text);
  const place = match?.[1] === undefined ? undefined : parseHostPort(match[1], defaultPunchPort);
  const query = new URLSearchParams(match?.[3] ?? "");
  // Whatever is wrong with the text, `key=` may be in it, and after that a key.
  const shown = text.replace(/[?#].*$/s, "").replace(/key=.*$/is, "key=…");
  if (match === null || place === undefined) {
    throw new PunchcastError(
      "BAD_URL",
      `'${shown}' is not a stream's URL: write punch://HOST[:${defaultPunchPort}]/STREAM?key=KEY.`,
    );
  }
  const key = query.get("key");
  if (key === null || key === "") {
    throw new PunchcastError("BAD_URL", `'${shown}' has no key: add ?key=KEY as the relay prints it.`);
  }
  const expires = query.get("expires");
  if (expires !== null && !/^\d{1,15}$/.test(expires)) {
    throw new PunchcastError("BAD_URL", `expires=${expires} in '${shown}' is not a time: give seconds since 1970 UTC.`);
  }
  const http = query.get("http");
  if (http !== null && !isHttpPlace(http)) {
    throw new PunchcastError("BAD_URL", `http=${http} in '${shown}' is neither a port nor a URL nor 'none'.`);
  }
  const stream = decodeStream(match[2] ?? "", shown);
  return {
    ...{ host: place.host, port: place.port, stream, key },
    ...(expires !== null && { expires: Number(expires) }),
    ...(http !== null && { http }),
  };
}

/** Writes a `punch://` URL; the default port is left out. */
export function formatPunchUrl(url: PunchUrl): string {
  const port = url.port === defaultPunchPort ? "" : `:${url.port}`;
  const query = new URLSearchParams({
    key: url.key,
    ...(url.expires !== undefined && { expires: String(url.expires) }),
    ...(url.http !== undefined && { http: url.http }),
  });
  return `punch://${formatHost(url.host)}${port}/${encodeURIComponent(url.stream)}?${query}`;
}

function decodeStream(text: string, shown: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new PunchcastError("BAD_URL", `The stream's name in '${shown}' is not valid percent-encoding.`, cause);
  }
}
