import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { loadLibc } from "../../src/udp/native/libc.ts";
import { createPathMtu } from "../../src/udp/path-mtu.ts";

const skip = (await loadLibc()) === undefined && "koffi and Linux on x86-64 or arm64 are needed";

test("the path to this host takes the largest packets; one that does not exist is not known", { skip }, async () => {
  const paths = await createPathMtu();
  assert.equal(paths.of({ address: "127.0.0.1", port: 9 }), 65_535);
  const hasIpv6 = networkInterfaces().lo?.some(({ family }) => family === "IPv6");
  if (hasIpv6 === true) assert.equal(paths.of({ address: "::1", port: 9 }), 65_536);
  assert.equal(paths.of({ address: "255.255.255.255", port: 9 }), undefined);
  paths.close();
});
