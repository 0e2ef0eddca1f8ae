/** One group of bars, such as one number of viewers. */
export interface BarGroup {
  readonly name: string;
  /** `note` stands behind the number. */
  readonly bars: readonly { readonly name: string; readonly value: number; readonly note?: string }[];
}

const [width, barHeight, gap, left, right] = [760, 16, 14, 230, 130];
const [ours, others] = ["#0b7285", "#adb5bd"];

/** Horizontal bars as an SVG document; in each group the longest fills the width. Legible on white and on black. */
export function barChart(title: string, groups: readonly BarGroup[]): string {
  const parts: string[] = [];
  let y = 34;
  for (const group of groups) {
    const most = Math.max(Number.EPSILON, ...group.bars.map(({ value }) => value));
    parts.push(text(8, y + 12, group.name, "font-weight='bold'"));
    y += barHeight + 4;
    for (const { name, value, note } of group.bars) {
      const length = Math.max(1, ((width - left - right) * value) / most);
      const colour = name.startsWith("punchcast") ? ours : others;
      parts.push(text(left - 8, y + 12, name, "text-anchor='end'"));
      parts.push(
        `<rect x='${left}' y='${y}' width='${length.toFixed(1)}' height='${barHeight - 3}' fill='${colour}'/>`,
      );
      parts.push(text(left + length + 6, y + 11, `${value.toFixed(2)}${note === undefined ? "" : `, ${note}`}`));
      y += barHeight;
    }
    y += gap;
  }
  const head = `<svg xmlns='http://www.w3.org/2000/svg' role='img' viewBox='0 0 ${width} ${y}' font-family='sans-serif' font-size='12'>`;
  const back = `<rect width='100%' height='100%' fill='#fff'/>`;
  const name = `<title>${title}</title>`;
  return [head, name, back, text(8, 20, title, "font-size='14'"), ...parts, "</svg>\n"].join("\n");
}

function text(x: number, y: number, content: string, attributes: string = ""): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x='${x.toFixed(1)}' y='${y}' fill='#212529' ${attributes}>${escaped}</text>`;
}
