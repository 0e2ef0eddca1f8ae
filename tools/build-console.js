// Builds the console, src/console, into dist/console: one page and the files that it loads, named by what is in them.
import { fileURLToPath } from "node:url";
import { build } from "vite";

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

await build({
  configFile: false,
  root: path("src/console/page"),
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: path("dist/console"),
    assetsDir: "console",
    emptyOutDir: true,
    modulePreload: false,
    license: { fileName: "licenses.md" },
    // Not older: light-dark(), <dialog> and what the player needs.
    target: ["chrome123", "firefox120", "safari17.5"],
  },
});
