import type { VNode } from "preact";
import { useMemo } from "preact/hooks";
import { encode } from "uqr";

/** A text as QR code: dark on light in either scheme, since many readers take nothing else. */
export function QrCode({ text, label }: { readonly text: string; readonly label: string }): VNode {
  const { size, path } = useMemo(() => {
    const code = encode(text, { ecc: "M", border: 3 });
    const dark = code.data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
    return { size: code.size, path: dark.join("") };
  }, [text]);
  return (
    <svg class="qr" viewBox={`0 0 ${size} ${size}`} role="img" aria-label={label} shape-rendering="crispEdges">
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
