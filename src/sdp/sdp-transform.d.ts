/** The two functions used of the library, which has no types of its own. What `parse` accepts is checked in lines.ts. */
declare module "sdp-transform" {
  import type { SdpTree } from "./tree.ts";
  export function parse(text: string): SdpTree;
  export function write(tree: SdpTree): string;
}
