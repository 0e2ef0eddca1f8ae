import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRelayConfig, readRelayConfig } from "../../src/config/relay-config.ts";
import { PunchcastError } from "../../src/core/errors.ts";

/** The message of the error that the text causes. */
function complaint(text: string): string {
  try {
    parseRelayConfig(text, "relay.yaml");
  } catch (error) {
    assert.ok(error instanceof PunchcastError && error.code === "BAD_CONFIG", String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: `accepted: ${text}` });
}

test("reads every setting", () => {
  const config = parseRelayConfig(
    `listen: 192.0.2.1
publicAddress: relay.example
punchPort: 9001
httpPort: none
httpListen: 127.0.0.1
authSecret: a-long-secret
open: true
openFrom: [192.0.2.0/24]
plane: userspace
state: /tmp/keys.json
limits: { holesPerAddress: 5, requestsPerSecond: 7 }
streams:
  - name: live
    components: 2
    ingestPort: 9099
    from: [203.0.113.7, "2001:db8::/32"]
    viewKey: view-key-1
    publishKey: publish-key-1
    sdp: live.sdp
  - { name: keyed, ingestPort: none }
`,
    "relay.yaml",
  );
  assert.equal(config.punchPort, 9001);
  assert.deepEqual([config.httpPort, config.httpListen, config.streams?.[0]?.sdp], ["none", "127.0.0.1", "live.sdp"]);
  assert.deepEqual(config.limits, { holesPerAddress: 5, requestsPerSecond: 7 });
  assert.deepEqual(
    config.openFrom?.map(({ prefixLength }) => prefixLength),
    [24],
  );
  assert.deepEqual(
    config.streams?.[0]?.from?.map(({ prefixLength }) => prefixLength),
    [32, 32],
  );
  assert.deepEqual(config.streams?.[1], { name: "keyed", ingestPort: "none" });
});

test("an empty file sets nothing", () => {
  for (const text of ["", "# only a comment\n", "{}\n"]) assert.deepEqual(parseRelayConfig(text, "relay.yaml"), {});
});

for (const [name, text, expected] of [
  [
    "a word for a port",
    "listen: 192.0.2.1\npunchPort: nine\n",
    /^relay\.yaml, line 2: punchPort is wrong \(.*number.*\)\.$/,
  ],
  ["a port out of range", "punchPort: 70000\n", /line 1: punchPort is wrong/],
  ["a setting that does not exist", "\n\npunch_port: 9000\n", /^relay\.yaml, line 3: punch_port is not a setting\.$/],
  ["one in a stream", "streams:\n  - name: live\n    key: abc\n", /line 3: streams\.0\.key is not a setting/],
  [
    "an address block",
    "streams:\n  - name: live\n    from:\n      - 192.0.2.1\n      - 192.0.2.0/33\n",
    /line 5: streams\.0\.from\.1 is not an address block such as/,
  ],
  ["a stream's name", "streams:\n  - name: ok\n  - name: not ok\n", /line 3: streams\.1\.name takes up to 64/],
  ["a stream without a name", "streams:\n  - components: 2\n", /line 2: streams\.0\.name is wrong/],
  ["an empty key", "streams:\n  - name: live\n    viewKey: ''\n", /line 3: streams\.0\.viewKey is wrong/],
  ["no streams", "streams: []\n", /line 1: streams is wrong/],
  ["an unknown plane", "plane: quantum\n", /line 1: plane is wrong \(.*userspace.*\)/],
  ["a listen name", "listen: relay.example\n", /line 1: listen is not an IP address/],
  ["a limit of none", "limits:\n  holesTotal: 0\n", /line 2: limits\.holesTotal is wrong/],
  ["a list instead of settings", "- a\n- b\n", /line 1: the file is wrong/],
  ["no YAML", "streams:\n  - name: [\n", /^relay\.yaml, line [23]: .*\.$/],
  ["a setting twice", "open: true\nopen: false\n", /line 2: Map keys must be unique/],
  ["an alias without an anchor", "listen: *there\n", /relay\.yaml.*alias.*there/],
  [
    "aliases that explode",
    `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [${"*a,".repeat(9)}]\nc: &c [${"*b,".repeat(9)}]\nd: [${"*c,".repeat(5)}]\n`,
    /alias/,
  ],
] as const) {
  test(`names file, line and field: ${name}`, () => assert.match(complaint(text), expected));
}

test("the message never holds a key", () => {
  assert.ok(!complaint("streams:\n  - name: live\n    viewKey: [SECRET]\n").includes("SECRET"));
  assert.ok(!complaint("authSecret: [SECRET]\n").includes("SECRET"));
});

test("a file that cannot be read", async () => {
  await assert.rejects(
    readRelayConfig("/no/such/relay.yaml"),
    (error) =>
      error instanceof PunchcastError &&
      error.code === "FILE_UNREADABLE" &&
      error.message.includes("/no/such/relay.yaml"),
  );
});
