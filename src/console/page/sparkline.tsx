import type { VNode } from "preact";

const width = 160;
const height = 36;

/** The last minutes' bitrate as a line beside the figure that says it; decoration, so it has no words. */
export function Sparkline({ values }: { readonly values: readonly number[] }): VNode {
  const top = Math.max(1, ...values);
  const step = width / 119;
  const points = values.map((value, i) => {
    const x = width - (values.length - 1 - i) * step;
    return `${x.toFixed(1)},${(height - 2 - (value / top) * (height - 4)).toFixed(1)}`;
  });
  const first = width - (values.length - 1) * step;
  return (
    <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true">
      {points.length > 1 && (
        <>
          <polygon points={`${first.toFixed(1)},${height} ${points.join(" ")} ${width},${height}`} />
          <polyline points={points.join(" ")} />
        </>
      )}
    </svg>
  );
}
