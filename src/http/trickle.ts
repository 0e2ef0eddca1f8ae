/** Candidates of a browser, as a fragment of SDP tells them. */
export interface Trickle {
  readonly candidates: readonly { readonly candidate: string; readonly mid: string }[];
}

/** Not more than any browser gathers, and few enough to cost nothing. */
const candidatesMax = 64;

/** What a candidate's line may hold (RFC 8839 §5.1), whatever it says. */
const candidatePattern = /^a=(candidate:[\w+/]{1,32} [12] (?:udp|tcp) [\x21-\x7e ]{1,300})$/i;

/** Reads application/trickle-ice-sdpfrag (RFC 8840 §9). Lines that are not understood are left out. */
export function readTrickle(text: string): Trickle {
  const candidates: { candidate: string; mid: string }[] = [];
  let mid = "0";
  for (const line of text.split(/\r\n|\n/)) {
    mid = /^a=mid:([\x21-\x7e]{1,64})$/.exec(line)?.[1] ?? mid;
    const candidate = candidatePattern.exec(line)?.[1];
    if (candidate !== undefined && candidates.length < candidatesMax) candidates.push({ candidate, mid });
  }
  return { candidates };
}
