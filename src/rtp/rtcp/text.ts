const encoder = new TextEncoder();
// Without ignoreBOM a leading U+FEFF would vanish from a text, and it would not encode to the same bytes again.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The longest text that one length byte can announce (RFC 3550 §6.5, §6.6). */
const maxTextBytes = 255;

/** UTF-8 of `text`, cut between characters to fit behind a length byte. */
export function limitedUtf8(text: string): Uint8Array {
  const bytes = new Uint8Array(maxTextBytes);
  return bytes.subarray(0, encoder.encodeInto(text, bytes).written);
}

/** The text in `length` bytes at `at`; what is not UTF-8 becomes U+FFFD. */
export function readUtf8(bytes: Uint8Array, at: number, length: number): string {
  return decoder.decode(bytes.subarray(at, at + length));
}
