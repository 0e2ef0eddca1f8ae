import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "../../src/core/address.ts";
import { createOversize } from "../../src/server/oversize.ts";

const wide: Endpoint = { address: "203.0.113.1", port: 7000 };
const narrow: Endpoint = { address: "203.0.113.2", port: 7000 };
const sixth: Endpoint = { address: "2001:db8::1", port: 7000 };
const unknown: Endpoint = { address: "203.0.113.9", port: 7000 };

const mtuOf = ({ address }: Endpoint): number | undefined =>
  ({ [wide.address]: 1_500, [narrow.address]: 1_400, [sixth.address]: 1_500 })[address];

test("packets beyond the narrowest path are counted, and told once with the sender's cure", () => {
  const told: string[] = [];
  const oversize = createOversize(mtuOf, (message) => told.push(message));
  const look = (...viewers: Endpoint[]): void => oversize.look("live", viewers);
  oversize.onPacket("live", 1_472);
  look(wide, unknown);
  assert.deepEqual(told, [], "1,472 bytes and 28 of headers are 1,500");
  oversize.onPacket("live", 1_472);
  look(wide, narrow);
  assert.equal(told.length, 1);
  assert.match(
    told[0] ?? "",
    /'live' has packets of 1472 bytes, and the path to 203\.0\.113\.2:7000 takes 1372 .*-mtu=1360/,
  );
  assert.equal(oversize.count("live"), 0, "nothing has come since it is known");
  for (const length of [1_372, 1_373, 1_472]) oversize.onPacket("live", length);
  look(wide, narrow);
  assert.equal(oversize.count("live"), 2);
  assert.equal(told.length, 1);
  oversize.onPacket("live", 1_472);
  look(sixth);
  assert.match(told[1] ?? "", /takes 1452 /, "IPv6 has larger headers");
  assert.equal(oversize.count("other"), 0);
});
