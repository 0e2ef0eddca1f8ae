const startCode = Buffer.of(0, 0, 0, 1);

/**
 * An H.264 payload (RFC 6184 §5.6-5.8) as a piece of a byte stream (ITU-T H.264 Annex B), for packets of which none is
 * missing. Single units in aggregation packets, as MP4Box has them, are taken too.
 */
export function annexB(payload: Uint8Array): Uint8Array[] {
  const [first = 0, fu = 0] = payload;
  if ((first & 0x1f) === 28) {
    const body = payload.subarray(2);
    return fu & 0x80 ? [startCode, Uint8Array.of((first & 0xe0) | (fu & 0x1f)), body] : [body];
  }
  if ((first & 0x1f) !== 24) return [startCode, payload];
  const units: Uint8Array[] = [];
  for (let at = 1; at + 2 < payload.length; ) {
    const end = at + 2 + (((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0));
    units.push(startCode, payload.subarray(at + 2, end));
    at = end;
  }
  return units;
}
