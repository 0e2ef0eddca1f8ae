import { z } from "zod";

const contentSchema = z.record(z.string(), z.object({ schema: z.unknown() })).default({});
const operationSchema = z.object({
  tags: z.array(z.string()).default([]),
  summary: z.string().default(""),
  description: z.string().default(""),
  security: z.array(z.record(z.string(), z.unknown())).default([]),
  parameters: z.array(z.object({ name: z.string(), in: z.string(), schema: z.unknown() })).default([]),
  requestBody: z.object({ content: contentSchema }).optional(),
  responses: z
    .record(z.string(), z.object({ description: z.string().default(""), content: contentSchema }))
    .default({}),
});
const documentSchema = z.object({
  info: z.object({ title: z.string(), version: z.string(), description: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.object({ schemas: z.record(z.string(), z.unknown()).default({}) }),
});

type Operation = z.infer<typeof operationSchema>;

const style = `
:root { color-scheme: light dark; color: light-dark(#111, #eee); background: light-dark(#fff, #111); }
a { color: light-dark(#0b4fb3, #8ab8ff); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
h3 code { font-size: 1rem; }
h2, h3, td, p { overflow-wrap: anywhere; }
table { border-collapse: collapse; }
th, td { padding: .15rem 1rem .15rem 0; text-align: start; vertical-align: top; font-weight: inherit; }
`;

/** An OpenAPI document as a page that loads nothing from anywhere. */
export function renderReference(document: unknown): string {
  const { info, paths, components } = documentSchema.parse(document);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const groups = Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? "other");
  const routes = [...groups].map(([tag, own]) => {
    const parts = own.map(({ path, method, operation }) => renderOperation(`${method} ${path}`, operation));
    return `<h2 id="${escapeHtml(tag)}">${escapeHtml(tag)}</h2>${parts.join("")}`;
  });
  const shapes = Object.entries(components.schemas).map(
    ([name, schema]) => `<h3 id="shape-${escapeHtml(name)}">${escapeHtml(name)}</h3>${renderSchema(schema)}`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(info.title)} ${escapeHtml(info.version)}</title><style>${style}</style></head>
<body><main><h1>${escapeHtml(info.title)} ${escapeHtml(info.version)}</h1>
<p>${escapeHtml(info.description)} <a href="/openapi.json">openapi.json</a></p>
${routes.join("\n")}
<h2 id="shapes">shapes</h2>
${shapes.join("\n")}
</main></body></html>
`;
}

function renderOperation(title: string, operation: Operation): string {
  const { summary, description, security, parameters, requestBody, responses } = operation;
  const needs = security.flatMap((scheme) => ("streamKey" in scheme ? "a key of the stream" : "the admin token"));
  const lock = needs.length > 0 ? ` <span role="img" aria-label="needs ${needs.join(" or ")}">🔒</span>` : "";
  const inputs = parameters.map(({ name, in: place }) => `<code>${escapeHtml(name)}</code> (${escapeHtml(place)})`);
  const body = Object.values(requestBody?.content ?? {}).map(({ schema }) => `<p>Body:</p>${renderSchema(schema)}`);
  const answers = Object.entries(responses).map(([status, answer]) => {
    const shape = Object.values(answer.content).map(({ schema }) => nameOf(schema) ?? "");
    return `<tr><th scope="row">${escapeHtml(status)}</th><td>${shape.join("")} ${escapeHtml(answer.description)}</td></tr>`;
  });
  return [
    `<section><h3><code>${escapeHtml(title)}</code>${lock}</h3>`,
    `<p>${escapeHtml(summary)}${summary === "" ? "" : "."} ${escapeHtml(description)}</p>`,
    inputs.length === 0 ? "" : `<p>${inputs.join(", ")}</p>`,
    ...body,
    `<table aria-label="Answers">${answers.join("")}</table></section>`,
  ].join("\n");
}

/** A link to a shape that has a name; of any other its JSON Schema. */
function renderSchema(schema: unknown): string {
  return nameOf(schema) ?? `<pre tabindex="0">${escapeHtml(JSON.stringify(schema, undefined, 2))}</pre>`;
}

function nameOf(schema: unknown): string | undefined {
  const ref = z.object({ $ref: z.string() }).safeParse(schema);
  const name = escapeHtml(ref.data?.$ref.split("/").at(-1) ?? "");
  return name === "" ? undefined : `<a href="#shape-${name}">${name}</a>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
