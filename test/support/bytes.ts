import fc from "fast-check";

/** Bytes of `base` with some of them changed and the end possibly cut: almost right, which is where decoders go wrong. */
export function mutatedBytes(base: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
  return fc.tuple(base, fc.array(change, { maxLength: 6 }), fc.nat()).map(([bytes, changes, cut]) => {
    const mutated = Uint8Array.from(bytes);
    for (const { at, to } of changes) if (mutated.length > 0) mutated[at % mutated.length] = to;
    return cut % 2 === 0 ? mutated : mutated.slice(0, cut % (mutated.length + 1));
  });
}
