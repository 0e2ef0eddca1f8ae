import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type ErrorCode, errorCodes, exitCodes, PunchcastError, systemErrorCode } from "../../src/core/errors.ts";

const documented = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");

/** The cells of the table rows whose first cell fits. */
function rows(first: RegExp): string[][] {
  const cells = documented
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
  return cells.filter(([cell = ""]) => first.test(cell));
}

test("docs/errors.md has every code, in the code's order, with its kind, a meaning and a remedy", () => {
  const table = rows(/^[A-Z_]+$/);
  assert.deepEqual(
    table.map(([code, kind]) => [code, kind]),
    Object.entries(errorCodes),
  );
  for (const [code, , meaning = "", remedy = ""] of table) assert.ok(meaning.length > 10 && remedy.length > 10, code);
});

test("docs/errors.md has the exit code of every kind", () => {
  const kinds = rows(/^(internal|usage|host|peer)$/).map(([kind, code]) => [kind, Number(code)]);
  assert.deepEqual(Object.fromEntries([["ok", Number(rows(/^\(none\)$/)[0]?.[1])], ...kinds]), exitCodes);
});

test("an error carries code, exit code and cause", () => {
  const cause = new Error("underneath");
  const error = new PunchcastError("PORT_IN_USE", "Port 9000 is in use.", cause);
  assert.deepEqual([error.name, error.code, error.exitCode, error.cause], ["PunchcastError", "PORT_IN_USE", 3, cause]);
  assert.ok(!("cause" in new PunchcastError("INTERNAL", "x")));
  for (const code of Object.keys(errorCodes) as ErrorCode[])
    assert.equal(new PunchcastError(code, "x").exitCode, exitCodes[errorCodes[code]]);
});

test("the system's code of an error, if it has one", () => {
  assert.equal(systemErrorCode(Object.assign(new Error("x"), { code: "ENOENT" })), "ENOENT");
  for (const other of [undefined, null, "ENOENT", new Error("x"), { code: 5 }])
    assert.equal(systemErrorCode(other), undefined);
});
