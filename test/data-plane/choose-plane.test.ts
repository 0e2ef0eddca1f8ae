import assert from "node:assert/strict";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import { choosePlane } from "../../src/data-plane/choose-plane.ts";

test("auto takes ebpf where it can be had, else userspace, and says which and why", async () => {
  const told: string[] = [];
  const obstacle = new PunchcastError("NO_PRIVILEGE", "Run as root.");
  assert.equal(
    await choosePlane(
      "auto",
      (text) => told.push(text),
      async () => undefined,
    ),
    "ebpf",
  );
  assert.equal(
    await choosePlane(
      "auto",
      (text) => told.push(text),
      async () => obstacle,
    ),
    "userspace",
  );
  assert.match(told[0] ?? "", /took ebpf/);
  assert.match(told[1] ?? "", /took userspace\. Run as root\./);
});

test("a plane that is named is taken without a look at the host", async () => {
  const fail = (): never => assert.fail("nothing is probed or told");
  assert.equal(await choosePlane("nat", fail, fail), "nat");
});
