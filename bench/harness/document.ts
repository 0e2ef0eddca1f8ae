import { readFileSync, writeFileSync } from "node:fs";

const path = new URL("../../docs/benchmarks.md", import.meta.url);

/** Puts a section between its markers in docs/benchmarks.md; at the end if it is new. */
export function writeSection(name: string, text: string): void {
  const [open, close] = [`<!-- ${name}: written by npm run bench -->`, `<!-- end of ${name} -->`];
  const section = `${open}\n${text.trim()}\n${close}`;
  const document = readFileSync(path, "utf8");
  const from = document.indexOf(open);
  const to = document.indexOf(close);
  const next =
    from < 0
      ? `${document.trimEnd()}\n\n${section}\n`
      : document.slice(0, from) + section + document.slice(to + close.length);
  writeFileSync(path, next);
}

/** A table in Markdown; the first row is its heading. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const lines = rows.map((row) => `| ${row.join(" | ")} |`);
  lines.splice(1, 0, `|${(rows[0] ?? []).map(() => "---").join("|")}|`);
  return lines.join("\n");
}
