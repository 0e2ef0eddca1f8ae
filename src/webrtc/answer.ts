import { addressFamily } from "../core/address.ts";

/** Where browsers reach the relay beside the addresses that it is bound to. */
export interface PublicPlace {
  readonly addresses: readonly string[];
  readonly port: number;
}

/** Priorities of host candidates below those of bound addresses (RFC 8445 §5.1.2.1). */
const priority = 2_113_929_215;

/** The answer with candidates for the public addresses, in the first line that has any. */
export function withPublicCandidates(answer: string, { addresses, port }: PublicPlace): string {
  const lines = answer.split("\r\n");
  const at = lines.findIndex((line) => line.startsWith("a=candidate:"));
  const candidates = addresses
    .filter((address) => !lines.some((line) => line.startsWith("a=candidate:") && line.includes(` ${address} `)))
    .map((address, i) => {
      const rank = priority - i - (addressFamily(address) === 6 ? 0 : 256);
      return `a=candidate:public${i} 1 UDP ${rank} ${address} ${port} typ host`;
    });
  return at === -1 ? answer : lines.toSpliced(at, 0, ...candidates).join("\r\n");
}
