import { PunchcastError } from "../core/errors.ts";

/** Letters, marks, digits, punctuation, symbols, spaces: the categories of PRECIS FreeformClass (RFC 8264 §4.3.1). */
const freeform = /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]+$/u;

/** Among those, what FreeformClass disallows all the same (RFC 8264 §9.6, §9.8, §9.9, §9.13). */
const disallowed = [
  // Exceptions (RFC 5892 §2.6).
  /[\u0640\u07fa\u3031-\u3035\u303b]|\u302e|\u302f/u,
  // Conjoining jamo.
  /[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]/u,
  // Invisible characters; among them the joiners, whose contexts need joining types that JavaScript does not know.
  /\p{Default_Ignorable_Code_Point}/u,
];

/** Characters allowed in a certain context only, matched outside of it (RFC 5892 appendix A.3-A.9). */
const outOfContext = [
  /(?<!l)\u00b7|\u00b7(?!l)/u,
  /\u0375(?!\p{Script=Greek})/u,
  /(?<!\p{Script=Hebrew})[\u05f3\u05f4]/u,
  /^(?!.*[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]).*\u30fb/su,
  /[\u0660-\u0669].*[\u06f0-\u06f9]|[\u06f0-\u06f9].*[\u0660-\u0669]/su,
];

/**
 * Prepares a user name, realm or password as the PRECIS profile OpaqueString does (RFC 8265 §4.2): spaces of any kind
 * become U+0020, the rest NFC; case and width stay. Two texts are the same credential if their results are equal.
 * Returns `undefined` for a text that the profile refuses: empty, with control or invisible characters, unassigned ones,
 * or broken surrogates. Zero-width joiners are always refused, a little more than the profile asks.
 */
export function prepareOpaqueString(text: string): string | undefined {
  if (!freeform.test(text)) return undefined;
  if ([...disallowed, ...outOfContext].some((pattern) => pattern.test(text))) return undefined;
  return text.replace(/\p{Zs}/gu, " ").normalize("NFC");
}

/**
 * The same for a text that its user can change. Throws `BAD_OPTION` where `prepareOpaqueString` returns `undefined`;
 * the message shows the text unless it is a password, for messages are logged.
 */
export function requireOpaqueString(what: "user name" | "realm" | "password", text: string): string {
  const prepared = prepareOpaqueString(text);
  if (prepared !== undefined) return prepared;
  const named = what === "password" ? "The password" : `The ${what} ${JSON.stringify(text)}`;
  throw new PunchcastError(
    "BAD_OPTION",
    `${named} is empty or has control or invisible characters; choose another one.`,
  );
}
