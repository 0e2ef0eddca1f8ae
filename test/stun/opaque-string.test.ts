import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prepareOpaqueString } from "../../src/stun/opaque-string.ts";

test("the examples of RFC 8265 §4.3 are prepared as it says", () => {
  const cases: [string, string | undefined][] = [
    ["correct horse battery staple", "correct horse battery staple"],
    ["Correct Horse Battery Staple", "Correct Horse Battery Staple"],
    ["\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"],
    ["Jack of \u2666s", "Jack of \u2666s"],
    ["foo\u1680bar", "foo bar"],
    ["", undefined],
    ["my cat is a \u0009by", undefined],
  ];
  for (const [text, expected] of cases) assert.equal(prepareOpaqueString(text), expected, JSON.stringify(text));
});

test("case, width and compatibility forms stay; only composition changes", () => {
  assert.equal(prepareOpaqueString("\uff21\u00aa\u2168"), "\uff21\u00aa\u2168");
  assert.equal(prepareOpaqueString("e\u0301"), "\u00e9");
});

test("characters that FreeformClass disallows are refused", () => {
  const refused = ["\u00ad", "\u007f", "\u200b", "\u200d", "\ufeff", "\u2028", "\u0640", "\u1100", "\u302e", "\ue000"];
  for (const text of [...refused, "\u0378", "\ufdd0", "\ud800", "\u{e0041}"]) {
    assert.equal(prepareOpaqueString(`a${text}b`), undefined, JSON.stringify(text));
  }
});

test("characters that need a context are refused outside of it (RFC 5892 appendix A)", () => {
  const allowed = [
    "l\u00b7l",
    "\u0375\u03b1",
    "\u05d0\u05f3",
    "\u05d0\u05f4",
    "\u30a2\u30fb",
    "\u0661\u0662",
    "\u06f1",
  ];
  const refused = [
    "l\u00b7",
    "a\u00b7l",
    "\u0375",
    "\u0375a",
    "\u05f3",
    "a\u05f4",
    "a\u30fb",
    "\u0661a\u06f1",
    "\u06f1\u0661",
  ];
  for (const text of allowed) assert.equal(prepareOpaqueString(text), text);
  for (const text of refused) assert.equal(prepareOpaqueString(text), undefined, JSON.stringify(text));
});

test("preparing twice changes nothing", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const once = prepareOpaqueString(text);
      if (once !== undefined) assert.equal(prepareOpaqueString(once), once);
    }),
  );
});
