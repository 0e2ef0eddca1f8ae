/** One group of bars, such as one number of viewers. */
export interface BarGroup {
  readonly name: string;
  readonly bars: readonly { readonly name: string; readonly value: number }[];
}

const [width, barHeight, gap, left, right] = [760, 16, 14, 230, 70];
const colours = ["#0b7285", "#74b816", "#f08c00", "#868e96", "#ae3ec9", "#e03131", "#1c7ed6", "#495057"];

/** Horizontal bars as an SVG document; the longest fills the width. Legible on white and on black. */
export function barChart(title: string, unit: string, groups: readonly BarGroup[]): string {
  const most = Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const names = [...new Set(groups.flatMap(({ bars }) => bars.map(({ name }) => name)))];
  const parts: string[] = [];
  let y = 34;
  for (const group of groups) {
    parts.push(text(8, y + 12, `${group.name}`, "font-weight='bold'"));
    y += barHeight + 4;
    for (const { name, value } of group.bars) {
      const length = Math.max(1, ((width - left - right) * value) / most);
      const colour = colours[names.indexOf(name) % colours.length];
      parts.push(text(left - 8, y + 12, name, "text-anchor='end'"));
      parts.push(
        `<rect x='${left}' y='${y}' width='${length.toFixed(1)}' height='${barHeight - 3}' fill='${colour}'/>`,
      );
      parts.push(text(left + length + 6, y + 11, value.toFixed(2)));
      y += barHeight;
    }
    y += gap;
  }
  const head = `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 ${width} ${y}' font-family='sans-serif' font-size='12'>`;
  const back = `<rect width='100%' height='100%' fill='#fff'/>`;
  return [head, back, text(8, 20, `${title}, ${unit}`, "font-size='14'"), ...parts, "</svg>\n"].join("\n");
}

function text(x: number, y: number, content: string, attributes: string = ""): string {
  const escaped = content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<text x='${x.toFixed(1)}' y='${y}' fill='#212529' ${attributes}>${escaped}</text>`;
}
