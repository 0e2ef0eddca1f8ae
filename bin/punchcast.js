#!/usr/bin/env node
// Plain JavaScript that any Node understands, so that a Node too old for the rest can still say so.
const wanted = [22, 18];
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < wanted[0] || (major === wanted[0] && minor < wanted[1])) {
  process.stderr.write(
    `punchcast: Node.js ${process.versions.node} is too old: install ${wanted.join(".")} or newer, or use npx in a checkout, which brings its own.\n`,
  );
  process.exit(3);
}
const { main } = await import("../dist/cli/main.js");
await main(process.argv.slice(2));
