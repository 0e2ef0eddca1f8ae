import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Page } from "playwright-core";
import type { LabNode } from "../../src/lab/lab.ts";

/** A page in a browser on a host of the lab. */
export interface BrowserPage {
  /** The value of an expression in the page; promises are awaited. */
  evaluate<T>(expression: string): Promise<T>;
  navigate(url: string): Promise<void>;
  /** Resolves with the first value that is true; rejects, with the last message, after `withinMs`. */
  until<T>(expression: string, withinMs: number): Promise<T>;
  /** Has the page look so from now on. */
  show(look: Look): Promise<void>;
  /** Saves what is seen as a PNG. */
  screenshot(path: string, look: Look): Promise<void>;
  /** What the page wrote to its console, and its errors. */
  readonly messages: readonly string[];
  /** URLs of everything that the page has asked for. */
  readonly requests: readonly string[];
  /** For what is not here: clicks, keys, locators. */
  readonly page: Page;
  close(): Promise<void>;
}

/** How large the page is, in CSS pixels, and in which colours. */
export interface Look {
  readonly width: number;
  readonly height: number;
  readonly scheme: "dark" | "light";
}

/** A phone and a desktop, dark and light. */
export const looks: readonly (Look & { readonly name: string })[] = [
  { name: "phone-dark", width: 390, height: 844, scheme: "dark" },
  { name: "phone-light", width: 390, height: 844, scheme: "light" },
  { name: "desktop-dark", width: 1280, height: 800, scheme: "dark" },
  { name: "desktop-light", width: 1280, height: 800, scheme: "light" },
];

/** With a camera and a microphone that make a test picture and beeps. */
const flags = [
  ...["--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
  ...["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
];

/** How often an expression is looked at. */
const lookMs = 50;

/** Starts Debian's Chromium on `node` and opens `url`; `script` runs before the page's own. */
export async function openPage(node: LabNode, url: string, script = ""): Promise<BrowserPage> {
  const folder = await mkdtemp(join(tmpdir(), "punchcast-chromium-"));
  const browser = await chromium.launch({
    executablePath: await executableOn(node, folder),
    // Tests run as root.
    chromiumSandbox: false,
    args: [...flags, `--unsafely-treat-insecure-origin-as-secure=${new URL(url).origin}`],
  });
  const close = async (): Promise<void> => {
    await browser.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  const messages: string[] = [];
  const requests: string[] = [];
  try {
    const page = await browser.newPage();
    page.on("console", (message) => messages.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => messages.push(`error: ${error.stack ?? error.message}`));
    page.on("request", (request) => requests.push(request.url()));
    await page.addInitScript({ content: script });
    await page.goto(url, { waitUntil: "commit" });
    return browserPage(page, { messages, requests, close });
  } catch (error) {
    await close();
    throw error;
  }
}

function browserPage(page: Page, rest: Pick<BrowserPage, "messages" | "requests" | "close">): BrowserPage {
  const { messages } = rest;
  const show = async ({ width, height, scheme }: Look): Promise<void> => {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme });
  };
  return {
    ...rest,
    page,
    show,
    evaluate: (expression) => page.evaluate(expression),
    navigate: async (to) => void (await page.goto(to, { waitUntil: "commit" })),
    async until<T>(expression: string, withinMs: number) {
      const end = performance.now() + withinMs;
      for (;;) {
        const value = await page.evaluate<T>(expression);
        if (value) return value;
        if (performance.now() > end) {
          throw new Error(`Waited ${withinMs} ms in vain for ${expression}; the console says ${messages.join("\n")}`);
        }
        await new Promise((resolve) => setTimeout(resolve, lookMs));
      }
    },
    async screenshot(path, look) {
      await show(look);
      await page.screenshot({ path });
    },
  };
}

/** A program that is Chromium in the node's namespaces: it leaves the pipe open over which Playwright speaks to it. */
async function executableOn(node: LabNode, folder: string): Promise<string> {
  const way = node.spawn("true", [], { stdio: "ignore" }).spawnargs.slice(0, -1);
  const path = join(folder, "chromium");
  await writeFile(path, `#!/bin/sh\nexec ${way.map((word) => `'${word}'`).join(" ")} chromium "$@"\n`, { mode: 0o755 });
  return path;
}
