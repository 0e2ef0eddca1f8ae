import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { get } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { parsePunchUrl } from "../../src/core/punch-url.ts";
import { freePorts, withCleanup } from "../server/support.ts";
import { runPunchcast, startPunchcast } from "../support/cli.ts";
import { withTempFolder } from "../support/temp-folder.ts";

function hasOpenssl(): boolean {
  try {
    execFileSync("openssl", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

const needsOpenssl = { skip: hasOpenssl() ? false : "needs openssl to make a certificate" };

function makeCertificate(folder: string, name: string): string[] {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  const made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  execFileSync("openssl", [...made, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  return [cert, key];
}

function ask(url: string, ca: Buffer): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { ca }, (response) => resolve(response.resume().statusCode)).on("error", reject);
  });
}

test("with a certificate HTTP is HTTPS, and the viewers' URLs say so", needsOpenssl, () =>
  withTempFolder((folder) =>
    withCleanup(async (use) => {
      const [cert = "", key = ""] = makeCertificate(folder, "a");
      const port = String(await freePorts(4));
      const base = ["relay", "--listen", "127.0.0.1", "--punch-port", "0", "--ingest-port", port, "--json"];
      const args = [...base, "--state", join(folder, "relay.json")];
      const relay = use(startPunchcast([...args, "--tls-cert", cert, "--tls-key", key]));
      const { http, streams } = (await relay.event("listening")) as unknown as {
        http: string;
        streams: readonly { watchUrl: string }[];
      };
      assert.match(http, /^https:\/\/127\.0\.0\.1:\d+$/);
      assert.equal(parsePunchUrl(streams[0]?.watchUrl ?? "").http, http);
      assert.equal(await ask(`${http}/healthz`, readFileSync(cert)), 200);
      const env = { NODE_EXTRA_CA_CERTS: cert };
      const status = startPunchcast(["status", "--http", http, "--state", join(folder, "relay.json")], env);
      assert.equal(await status.exited, 0, status.stderr());

      const [, other = ""] = makeCertificate(folder, "b");
      const half = await runPunchcast([...args, "--tls-cert", cert]);
      const strange = await runPunchcast([...args, "--tls-cert", cert, "--tls-key", other]);
      await writeFile(join(folder, "text"), "no key");
      const text = await runPunchcast([...args, "--tls-cert", cert, "--tls-key", join(folder, "text")]);
      const missing = await runPunchcast([...args, "--tls-cert", cert, "--tls-key", join(folder, "none")]);
      for (const { code, stdout } of [half, strange, text, missing]) {
        assert.equal(code, 2, stdout);
        assert.match(JSON.parse(stdout).message, /tls|TLS/);
      }
    }),
  ),
);
