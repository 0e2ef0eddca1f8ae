import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { PunchcastError } from "../../src/core/errors.ts";
import { clockRates, readSdp, writeSdp } from "../../src/sdp/session.ts";
import { capture } from "../support/captures.ts";
import { browserLike, mp4boxLike } from "./examples.ts";

function complaint(text: string): string {
  try {
    readSdp(text);
  } catch (error) {
    assert.ok(error instanceof PunchcastError && error.code === "BAD_SDP", `${error}`);
    return error.message;
  }
  return "";
}

test("tracks and codecs are read", () => {
  const sdp = readSdp(mp4boxLike);
  assert.equal(sdp.name, "livesession");
  assert.deepEqual(sdp.media, [
    {
      kind: "video",
      port: 9099,
      protocol: "RTP/AVP",
      formats: [
        {
          payloadType: 96,
          codec: "H264",
          clockRate: 90_000,
          fmtp: "packetization-mode=1; sprop-parameter-sets=Z2QAHqzZQKAv+XARAAADAAEAAAMAMA8WLZY=,aO+Pyw==",
        },
      ],
    },
    {
      kind: "audio",
      port: 9101,
      protocol: "RTP/AVP",
      formats: [
        {
          payloadType: 97,
          codec: "mpeg4-generic",
          clockRate: 48_000,
          channels: 2,
          fmtp: "streamtype=5; mode=AAC-hbr; config=1190; sizelength=13; indexlength=3; indexdeltalength=3",
        },
      ],
    },
  ]);
});

test("a captured sender's description is read", { skip: capture("mp4box-0.8.1-h264-aac.sdp").skip }, () => {
  const sdp = readSdp(readFileSync(capture("mp4box-0.8.1-h264-aac.sdp").path, "utf8"));
  assert.deepEqual(
    sdp.media.map(({ port, formats }) => [port, formats[0]?.codec]),
    [
      [9099, "H264"],
      [9101, "mpeg4-generic"],
    ],
  );
  assert.deepEqual(
    [...clockRates(sdp)],
    [
      [96, 90_000],
      [97, 48_000],
    ],
  );
});

test("MPEG-TS needs no rtpmap, other protocols have no payload types, unknown types no rate", () => {
  const text = "v=0\nm=video 9099 RTP/AVP 33 96\nm=application 9103 udp text";
  assert.deepEqual(readSdp(text).media, [
    {
      kind: "video",
      port: 9099,
      protocol: "RTP/AVP",
      formats: [{ payloadType: 33, codec: "MP2T", clockRate: 90_000 }, { payloadType: 96 }],
    },
    { kind: "application", port: 9103, protocol: "udp", formats: [] },
  ]);
});

test("line ends, blank lines, a byte order mark and ffmpeg's heading do not matter", () => {
  const expected = readSdp(mp4boxLike);
  const lines = mp4boxLike.trimEnd().split("\n");
  for (const text of [
    lines.join("\r\n"),
    `\n\n${lines.join("\n")}\n\n\n`,
    `SDP:\n${lines.join("\r\n")}\r\n\r\n`,
    `\uFEFF${lines.join("\r")}`,
    lines.map((line) => `${line}  `).join("\n"),
  ]) {
    assert.deepEqual(readSdp(text), expected);
  }
});

test("writing keeps every line", () => {
  const written = writeSdp(readSdp(mp4boxLike));
  assert.deepEqual(new Set(written.split("\r\n")), new Set(mp4boxLike.split("\n")));
  assert.deepEqual(new Set(writeSdp(readSdp(browserLike)).split("\r\n")), new Set(browserLike.split("\r\n")));
});

test("an origin, a name and a time that are missing are written", () => {
  const written = writeSdp(readSdp("v=0\nc=IN IP6 ::1\nm=audio 9 RTP/AVP 0"));
  assert.deepEqual(written.split("\r\n").slice(0, 5), ["v=0", "o=- 0 0 IN IP6 ::1", "s= ", "c=IN IP6 ::1", "t=0 0"]);
});

test("a bad line is named, with what it should look like", () => {
  const track = "m=video 9099 RTP/AVP 96";
  const cases: [string, RegExp][] = [
    ["", /names no track/],
    ["v=0\ns=x", /names no track/],
    ["hello", /^Line 1 .*"hello".*a letter/],
    [`\nSDP:\nv=1\n${track}`, /^Line 3 .*"v=0"/],
    [track, /^Line 1 .*begin with "v=0"/],
    [`v=0\no=x\n${track}`, /^Line 2 .*"o=- 0 0 IN IP4 192.0.2.1"/],
    [`v=0\nc=192.0.2.1\n${track}`, /^Line 2 .*"c=IN IP4 192.0.2.1"/],
    [`v=0\nt=now\n${track}`, /^Line 2 .*"t=0 0"/],
    ["v=0\nm=video RTP/AVP 96", /^Line 2 .*a track must read/],
    ["v=0\nm=video 9099/2 RTP/AVP 96", /^Line 2 .*one port/],
    ["v=0\nm=video 70000 RTP/AVP 96", /^Line 2 .*0-65535/],
    ["v=0\nm=video 9099 RTP/AVP 128", /^Line 2 .*0-127/],
    ["v=0\nm=video 9099 RTP/AVP x", /^Line 2 .*0-127/],
    [`v=0\n${track}\na=rtpmap:96 H264`, /^Line 3 .*a codec must read/],
    [`v=0\n${track}\na=rtpmap:96 H264/0`, /^Line 3 .*a codec must read/],
    [`v=0\n${track}\na=fmtp:x y`, /^Line 3 .*parameters must read/],
    [`v=0\n${track}\nSDP:`, /^Line 3 .*a letter/],
    [`v=0\n${track}\n${"a=x\n".repeat(20_000)}`, /80028 characters/],
  ];
  for (const [text, pattern] of cases) assert.match(complaint(text), pattern, text.slice(0, 60));
});

test("clock rates are those of a track, or of all where they agree", () => {
  const sdp = readSdp(
    "v=0\nm=video 2 RTP/AVP 96 33\na=rtpmap:96 H264/90000\nm=audio 4 RTP/AVP 96 0\na=rtpmap:96 opus/48000/2",
  );
  assert.deepEqual(
    [...clockRates(sdp)],
    [
      [33, 90_000],
      [0, 8000],
    ],
  );
  assert.deepEqual(
    [...clockRates(sdp, 0)],
    [
      [96, 90_000],
      [33, 90_000],
    ],
  );
  assert.deepEqual(
    [...clockRates(sdp, 1)],
    [
      [96, 48_000],
      [0, 8000],
    ],
  );
  assert.throws(() => clockRates(sdp, 2), { code: "BAD_SDP" });
});

test("any text is read or refused with BAD_SDP, and what is read survives writing", () => {
  const lines = fc.constantFrom(...mp4boxLike.split("\n"), ...browserLike.split("\r\n"));
  const mangled = fc
    .tuple(lines, fc.nat(40), fc.string({ maxLength: 4 }))
    .map(([line, at, more]) => line.slice(0, at) + more + line.slice(at));
  const text = fc
    .array(fc.oneof({ weight: 9, arbitrary: lines }, { weight: 1, arbitrary: fc.oneof(mangled, fc.string()) }), {
      maxLength: 30,
    })
    .map((array) => ["v=0", ...array, "m=video 9099 RTP/AVP 96"].join("\n"));
  let read = 0;
  fc.assert(
    fc.property(text, (input) => {
      if (complaint(input) !== "") return;
      read += 1;
      const sdp = readSdp(input);
      const again = readSdp(writeSdp(sdp));
      assert.deepEqual(again.media, sdp.media);
    }),
    { numRuns: 1000 },
  );
  assert.ok(read > 50, `only ${read} were accepted`);
});
