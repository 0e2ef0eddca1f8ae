import { PunchcastError } from "../core/errors.ts";

/** More than any description of a handful of tracks needs, less than would keep a regular expression busy. */
const maxTextLength = 65_536;

/** What the letters mean that sdp-transform would misread in silence, and how their lines must look. */
const shapes: readonly { readonly start: string; readonly pattern: RegExp; readonly expected: string }[] = [
  { start: "v=", pattern: /^v=0$/, expected: 'the version must be 0, as in "v=0"' },
  {
    start: "o=",
    pattern: /^o=\S+ \d{1,20} \d{1,20} IN IP[46] \S+$/,
    expected: 'the origin must read like "o=- 0 0 IN IP4 192.0.2.1"',
  },
  { start: "c=", pattern: /^c=IN IP[46] \S+$/, expected: 'the address must read like "c=IN IP4 192.0.2.1"' },
  { start: "t=", pattern: /^t=\d{1,20} \d{1,20}$/, expected: 'the time must read like "t=0 0"' },
  {
    start: "m=",
    pattern: /^m=\w+ (0|[1-9]\d{0,4}) [\w/]+ \S.*$/,
    expected: 'a track must read like "m=video 9099 RTP/AVP 96", with one port',
  },
  {
    start: "a=rtpmap:",
    pattern: /^a=rtpmap:(0|[1-9]\d{0,2}) [\w.-]+\/[1-9]\d{0,8}(\/[1-9]\d{0,2})?$/,
    expected: 'a codec must read like "a=rtpmap:96 H264/90000"',
  },
  {
    start: "a=fmtp:",
    pattern: /^a=fmtp:(0|[1-9]\d{0,2})( .*)?$/,
    expected: 'parameters must read like "a=fmtp:96 packetization-mode=1"',
  },
];

/**
 * The description's lines, checked: CRLF or LF, blank lines and the `SDP:` that ffmpeg prints before it are left out.
 * Throws `BAD_SDP` naming the line (counted in the text as given) and what it should look like.
 */
export function readLines(text: string): string[] {
  if (text.length > maxTextLength) {
    throw new PunchcastError(
      "BAD_SDP",
      `The SDP has ${text.length} characters: give the description alone, at most ${maxTextLength}.`,
    );
  }
  const lines: string[] = [];
  const rows = text.replace(/^\uFEFF/, "").split(/\r\n|\r|\n/);
  for (const [i, row] of rows.entries()) {
    const line = row.trimEnd();
    if (line === "" || (lines.length === 0 && line === "SDP:")) continue;
    if (!/^[a-z]=/.test(line)) throw badLine(i, line, 'every line must be a letter, "=" and a value');
    if (lines.length === 0 && !line.startsWith("v=")) throw badLine(i, line, 'the description must begin with "v=0"');
    const shape = shapes.find(({ start }) => line.startsWith(start));
    if (shape !== undefined && !shape.pattern.test(line)) throw badLine(i, line, shape.expected);
    const complaint = line.startsWith("m=") ? mediaComplaint(line) : undefined;
    if (complaint !== undefined) throw badLine(i, line, complaint);
    lines.push(line);
  }
  if (!lines.some((line) => line.startsWith("m="))) {
    throw new PunchcastError("BAD_SDP", 'The SDP names no track: it needs a line like "m=video 9099 RTP/AVP 96".');
  }
  return lines;
}

function mediaComplaint(line: string): string | undefined {
  const [, port, protocol = "", ...formats] = line.split(/ +/);
  if (Number(port) > 65_535) return "the port must be 0-65535";
  const isPayloadType = (format: string): boolean => /^(0|[1-9]\d{0,2})$/.test(format) && Number(format) <= 127;
  if (protocol.includes("RTP") && !formats.every(isPayloadType)) return "RTP payload types must be 0-127";
  return undefined;
}

function badLine(index: number, line: string, expected: string): PunchcastError {
  const shown = line.length > 80 ? `${line.slice(0, 80)}…` : line;
  return new PunchcastError("BAD_SDP", `Line ${index + 1} of the SDP is ${JSON.stringify(shown)}: ${expected}.`);
}
