// Puts the package's own command among those of its dependencies, so that `npx punchcast` in a checkout runs the checkout
// at once, with the Node.js that the checkout brings. npm would install a link elsewhere first, and ask.
import { rm, symlink } from "node:fs/promises";

const link = new URL("../node_modules/.bin/punchcast", import.meta.url);
await rm(link, { force: true });
// Where links need a right of their own (Windows), npm's way still works.
await symlink("../../bin/punchcast.js", link).catch(() => {});
