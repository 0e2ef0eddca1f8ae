import assert from "node:assert/strict";
import { test } from "node:test";
import { PunchcastError } from "../../src/core/errors.ts";
import { requireTool, startTool } from "../../src/watch/tool.ts";
import { withCleanup } from "../server/support.ts";
import { createFakeClock } from "../support/fake-clock.ts";
import { fakeTools } from "../support/fake-tools.ts";
import { needs } from "../support/needs.ts";
import { withTempFolder } from "../support/temp-folder.ts";

const remedy = "install it";

/** Starts a shell script as a program. */
const withScript = (
  script: string,
  body: (start: () => ReturnType<typeof startTool>, clock: ReturnType<typeof createFakeClock>) => Promise<void>,
): Promise<void> =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      use(await fakeTools(folder, { "punchcast-fake": script }));
      const clock = createFakeClock();
      await requireTool("punchcast-fake", remedy);
      await body(() => startTool({ name: "punchcast-fake", args: [], remedy, hasInput: true, clock }), clock);
    }),
  );

test("a program that is not on the PATH is named with its remedy", async () => {
  const isMissing = (error: unknown): boolean =>
    error instanceof PunchcastError &&
    error.code === "TOOL_MISSING" &&
    /punchcast-none is not on .* install it\.$/.test(error.message);
  await assert.rejects(requireTool("punchcast-none", remedy), isMissing);
  await assert.rejects(startTool({ name: "punchcast-none", args: [], remedy, clock: createFakeClock() }), isMissing);
});

test("its end tells its code and its last words", needs("sh"), () =>
  withScript("echo one >&2; echo two >&2; exit 7", async (start) => {
    const { code, lastWords } = await (await start()).closed;
    assert.deepEqual([code, lastWords], [7, "two"]);
  }),
);

test("asked to stop, it ends by the signal", needs("sh"), () =>
  withScript("read line; exit 0", async (start) => {
    const tool = await start();
    assert.equal((await tool.stop()).code, null);
    assert.equal((await tool.stop()).code, null);
  }),
);

test("one that does not listen is killed after 2 s", needs("sh"), () =>
  withScript("trap '' TERM INT; echo ready >&2; while :; do read line; done", async (start, clock) => {
    const tool = await start();
    // Ready when it takes a line; a signal before the trap would end it.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const stopping = tool.stop();
    let isOver = false;
    void stopping.then(() => {
      isOver = true;
    });
    await clock.advanceSettling(1_900);
    assert.ok(!isOver);
    await clock.advanceSettling(200);
    assert.equal((await stopping).code, null);
  }),
);
