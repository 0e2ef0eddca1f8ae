import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { LabNode } from "../../src/lab/lab.ts";

/** A page in a browser on a host of the lab. */
export interface BrowserPage {
  /** The value of an expression in the page; promises are awaited. */
  evaluate<T>(expression: string): Promise<T>;
  navigate(url: string): Promise<void>;
  /** Resolves with the first value that is true; rejects, with the last one, after `withinMs`. */
  until<T>(expression: string, withinMs: number): Promise<T>;
  /** Saves what is seen as a PNG. */
  screenshot(
    path: string,
    look: { readonly width: number; readonly height: number; readonly scheme: "dark" | "light" },
  ): Promise<void>;
  /** What the page wrote to its console, and its errors. */
  readonly messages: readonly string[];
  close(): Promise<void>;
}

/** Without a sandbox, since tests run as root; with a camera and a microphone that make a test picture and beeps. */
const flags = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run", "--disable-dev-shm-usage"],
  ...["--autoplay-policy=no-user-gesture-required", "--remote-debugging-pipe", "--disable-background-networking"],
  ...["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
];

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** Starts Chromium on `node` and opens `url`; `script` runs before the page's own. Speaks its protocol over a pipe. */
export async function openPage(node: LabNode, url: string, script = ""): Promise<BrowserPage> {
  const folder = await mkdtemp(join(tmpdir(), "punchcast-chromium-"));
  const own = [`--user-data-dir=${folder}`, `--unsafely-treat-insecure-origin-as-secure=${new URL(url).origin}`];
  const child = node.spawn("chromium", [...flags, ...own, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const [input, output] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, PromiseWithResolvers<Readonly<Record<string, unknown>>>>();
  const messages: string[] = [];
  let lastId = 0;
  let session: string | undefined;
  let rest = "";

  input.on("error", () => {});
  output.on("error", () => {});
  output.setEncoding("utf8");
  output.on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\0");
    rest = parts.pop() ?? "";
    for (const part of parts) {
      const { id, method, params, result, error }: Answer = JSON.parse(part);
      if (
        method === "Runtime.consoleAPICalled" ||
        method === "Runtime.exceptionThrown" ||
        method === "Log.entryAdded"
      ) {
        messages.push(JSON.stringify(params));
      }
      const gate = id === undefined ? undefined : waiting.get(id);
      if (error !== undefined) gate?.reject(new Error(error.message));
      else gate?.resolve(result ?? {});
    }
  });
  child.once("close", () => {
    for (const gate of waiting.values()) gate.reject(new Error("Chromium has ended"));
  });

  async function call(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    lastId += 1;
    const id = lastId;
    const gate = Promise.withResolvers<Readonly<Record<string, unknown>>>();
    waiting.set(id, gate);
    input.write(`${JSON.stringify({ id, method, params, ...(session !== undefined && { sessionId: session }) })}\0`);
    try {
      return await gate.promise;
    } finally {
      waiting.delete(id);
    }
  }

  async function evaluate<T>(expression: string): Promise<T> {
    const given = await call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    const { exceptionDetails, result } = given as {
      exceptionDetails?: { exception?: { description?: string } };
      result?: { value?: T };
    };
    if (exceptionDetails !== undefined) throw new Error(`In the page: ${exceptionDetails.exception?.description}`);
    return result?.value as T;
  }

  const { targetId } = await call("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  session = String(sessionId);
  await Promise.all(["Page.enable", "Runtime.enable", "Log.enable"].map((method) => call(method)));
  await call("Page.addScriptToEvaluateOnNewDocument", { source: script });
  await call("Page.navigate", { url });

  return {
    messages,
    evaluate,
    navigate: async (to) => void (await call("Page.navigate", { url: to })),
    async until<T>(expression: string, withinMs: number) {
      const end = performance.now() + withinMs;
      for (;;) {
        const value = await evaluate<T>(expression);
        if (value) return value;
        if (performance.now() > end) {
          throw new Error(`Waited ${withinMs} ms in vain for ${expression}; the console says ${messages.join("\n")}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async screenshot(path, { width, height, scheme }) {
      await call("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
      await call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
      const { data } = await call("Page.captureScreenshot", { format: "png" });
      await writeFile(path, Buffer.from(String(data), "base64"));
    },
    async close() {
      const closed = once(child, "close");
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await closed;
      }
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
