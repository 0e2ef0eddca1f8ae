import assert from "node:assert/strict";
import { test } from "node:test";
import { type Line, type LineFacts, playerLines, senderLines } from "../../src/console/model/lines.ts";
import { stream } from "./support.ts";

const relay: LineFacts["relay"] = {
  ...{ version: "1", plane: "userspace", punch: "relay.example:9000", punchPort: 9000, uptimeMs: 0, streams: 1 },
  ...{ mintsKeys: false, refused: {}, punches: {}, sendErrors: 0 },
};
const keys = {
  ...{ viewKey: "v-key", publishKey: "p key", watchUrl: "punch://relay.example/live?key=v-key" },
  publishUrl: "punch://relay.example/live?key=p+key",
  browserUrl: "https://relay.example/watch/live#key=v-key",
};
const facts: LineFacts = {
  stream: stream({ ingestPorts: [9099, 9100, 9101, 9102] }),
  relay,
  keys,
  origin: "http://127.0.0.1:9000",
};

const text = (lines: readonly Line[]): string => lines.map((line) => line.text).join("\n");

test("senders' and players' lines have the relay's host, the ports and the keys", () => {
  const send = text(senderLines(facts));
  assert.match(send, /^npx punchcast send coolVideo\.mp4 'punch:\/\/relay\.example\/live\?key=p\+key' --loop$/m);
  assert.match(send, /rtp:\/\/relay\.example:9099 .*rtp:\/\/relay\.example:9101 > live\.sdp/);
  assert.match(send, /curl -T live\.sdp 'https:\/\/relay\.example\/streams\/live\.sdp\?key=p\+key'/);
  assert.match(send, /^gst-launch-1\.0 .* host=relay\.example port=9099$/m);
  assert.match(send, /^MP4Box -rtp -dst=relay\.example -port=9099 /m);
  assert.match(send, /^https:\/\/relay\.example\/whip\/live\np key$/m);
  const watch = text(playerLines(facts));
  assert.match(watch, /^https:\/\/relay\.example\/watch\/live#key=v-key$/m);
  for (const player of ["ffplay", "mpv", "vlc"]) assert.match(watch, new RegExp(`key=v-key' --player ${player}$`, "m"));
  assert.ok([...senderLines(facts), ...playerLines(facts)].every(({ needsKeys }) => !needsKeys));
});

test("until keys are shown there are none, and lines say so", () => {
  const hidden = { ...facts, keys: undefined };
  const lines = [...senderLines(hidden), ...playerLines(hidden)];
  for (const line of lines) assert.equal(line.needsKeys, /(VIEW|PUBLISH)-KEY/.test(line.text), line.label);
  assert.doesNotMatch(text(lines), /v-key|p key|p\+key/);
});

test("an IPv6 relay is bracketed where a port follows, and not where none does", () => {
  const send = text(senderLines({ ...facts, relay: { ...relay, punch: "[2001:db8::1]:9000" } }));
  assert.match(send, /rtp:\/\/\[2001:db8::1\]:9099/);
  assert.match(send, /-dst=2001:db8::1 /);
});

test("what a stream does not take is not offered: ports, a second track, browsers", () => {
  const byKey = senderLines({ ...facts, stream: stream({ ingestPorts: [] }) });
  assert.doesNotMatch(text(byKey), /ffmpeg|MP4Box|gst-launch/);
  assert.doesNotMatch(text(senderLines({ ...facts, stream: stream() })), /-map 0:a/);
  const { browserUrl: _none, ...rest } = keys;
  const lines = [...senderLines({ ...facts, keys: rest }), ...playerLines({ ...facts, keys: rest })];
  assert.doesNotMatch(text(lines), /whip|\/watch\//);
});
