import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import { createHttpServer } from "../../src/http/http-server.ts";
import { withTempFolder } from "../support/temp-folder.ts";
import { fakeRelay } from "./support.ts";

const built = new URL("../../dist/console/", import.meta.url);
const needsBuild = { skip: existsSync(built) ? false : "the console is not built: npm run build" };

/** An answer as it came, still compressed. */
interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

function ask(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }),
      );
    }).on("error", reject);
  });
}

async function withConsole(folder: URL | undefined, use: (base: string) => Promise<void>): Promise<void> {
  const server = await createHttpServer({
    ...{ relay: fakeRelay(), port: 0, address: "127.0.0.1" },
    ...(folder && { console: folder }),
  });
  try {
    await use(`http://127.0.0.1:${server.port}`);
  } finally {
    await server.close();
  }
}

test("the console is one page of less than 100 KB that loads nothing from elsewhere", needsBuild, () =>
  withConsole(undefined, async (base) => {
    const page = await ask(`${base}/`, { "accept-encoding": "gzip, br" });
    assert.equal(page.status, 200);
    assert.equal(page.headers["content-encoding"], "gzip");
    const html = gunzipSync(page.body).toString();
    const policy = String(page.headers["content-security-policy"]);
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.doesNotMatch(policy, /unsafe|\*|http/);
    assert.equal(page.headers["cache-control"], "no-store");
    assert.equal(page.headers["x-content-type-options"], "nosniff");
    assert.equal(page.headers["referrer-policy"], "no-referrer");
    // What the policy would not let run is not there.
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:/);

    const files = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = ""]) => path);
    assert.ok(files.length >= 2 && files.every((path) => path.startsWith("/console/")), files.join());
    let bytes = page.body.length;
    for (const path of files) {
      const file = await ask(base + path, { "accept-encoding": "gzip" });
      assert.equal(file.status, 200, path);
      assert.equal(file.headers["cache-control"], "public, max-age=31536000, immutable");
      assert.match(String(file.headers["content-type"]), /^(text\/(css|javascript)|image\/svg)/);
      bytes += file.body.length;
      const plain = await ask(base + path, { "accept-encoding": "gzip;q=0" });
      assert.equal(plain.headers["content-encoding"], undefined);
      assert.deepEqual(gunzipSync(file.body), plain.body);
      assert.doesNotMatch(plain.body.toString(), /@import|url\((?!data:)|import\(["'`]https?:/);
    }
    assert.ok(bytes < 100_000, `${bytes} bytes`);
    assert.equal((await ask(`${base}/console/none.js`)).status, 404);
    assert.equal((await ask(`${base}/console/..%2findex.html`)).status, 404);
  }),
);

test("where it was not built, the page says so and all else works", () =>
  withTempFolder(async (folder) => {
    await withConsole(pathToFileURL(`${folder}/`), async (base) => {
      const page = await ask(`${base}/`);
      assert.equal(page.status, 503);
      assert.match(page.body.toString(), /^The console is not built: run 'npm run build'.*\.\n$/);
      assert.equal((await ask(`${base}/healthz`)).status, 200);
    });
  }));

test("files that the build does not know are served as bytes", () =>
  withTempFolder(async (folder) => {
    await mkdir(`${folder}/console`);
    await writeFile(`${folder}/index.html`, "<!doctype html>");
    await writeFile(`${folder}/console/a.wasm`, "x");
    await withConsole(pathToFileURL(`${folder}/`), async (base) => {
      assert.equal((await ask(`${base}/console/a.wasm`)).headers["content-type"], "application/octet-stream");
      assert.equal((await ask(`${base}/`)).body.toString(), "<!doctype html>");
    });
  }));
