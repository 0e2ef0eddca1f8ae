import assert from "node:assert/strict";
import { test } from "node:test";
import { rewriteForPlayer } from "../../src/sdp/rewrite.ts";
import { readSdp, writeSdp } from "../../src/sdp/session.ts";
import { browserLike, mp4boxLike } from "./examples.ts";

test("addresses and ports are the player's, and the codecs stay", () => {
  const rewritten = rewriteForPlayer(readSdp(mp4boxLike), { address: "127.0.0.1", basePort: 5001 });
  const expected = mp4boxLike
    .replaceAll("192.0.2.7", "127.0.0.1")
    .replace(" 9099 ", " 5001 ")
    .replace(" 9101 ", " 5003 ");
  assert.deepEqual(new Set(writeSdp(rewritten).split("\r\n")), new Set(expected.split("\n")));
  assert.deepEqual(
    rewritten.media.map(({ port }) => port),
    [5001, 5003],
  );
});

test("nothing of the sender's transport is left", () => {
  const text = writeSdp(rewriteForPlayer(readSdp(browserLike), { address: "::1", basePort: 5000 }));
  assert.deepEqual(text.split("\r\n"), [
    "v=0",
    "o=- 4611731400430051336 2 IN IP6 ::1",
    "s=-",
    "c=IN IP6 ::1",
    "t=0 0",
    "m=video 5000 RTP/AVP 96 97",
    "b=TIAS:2500000",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
    "a=framerate:25.0",
    "a=x-kept:yes",
    "",
  ]);
});

test("a description without addresses gets them", () => {
  const text = writeSdp(
    rewriteForPlayer(readSdp("v=0\nm=video 9099 RTP/AVP 33"), { address: "127.0.0.1", basePort: 5000 }),
  );
  assert.deepEqual(text.split("\r\n").slice(1), [
    "o=- 0 0 IN IP4 127.0.0.1",
    "s= ",
    "c=IN IP4 127.0.0.1",
    "t=0 0",
    "m=video 5000 RTP/AVP 33",
    "",
  ]);
});

test("the description given stays as it is", () => {
  const sdp = readSdp(browserLike);
  const before = structuredClone(sdp);
  rewriteForPlayer(sdp, { address: "127.0.0.1", basePort: 5000 });
  assert.deepEqual(sdp, before);
});

test("an address that is none and ports that do not fit are refused", () => {
  const sdp = readSdp(mp4boxLike);
  assert.throws(() => rewriteForPlayer(sdp, { address: "localhost", basePort: 5000 }), { code: "BAD_OPTION" });
  for (const basePort of [0, -1, 1.5, 65_533, 65_535]) {
    assert.throws(
      () => rewriteForPlayer(sdp, { address: "127.0.0.1", basePort }),
      { code: "BAD_OPTION" },
      `${basePort}`,
    );
  }
  assert.equal(rewriteForPlayer(sdp, { address: "127.0.0.1", basePort: 65_532 }).media[1]?.port, 65_534);
});
