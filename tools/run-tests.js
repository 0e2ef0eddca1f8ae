// Runs all tests. What computes only goes first, two files at a time; what uses sockets, processes or namespaces goes one
// file after the other, so that no test waits for a core that another one has. A round that hangs is stopped, and says at
// which file. Arguments are handed on to `node --test`.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";

const root = new URL("../test/", import.meta.url);
const computing = new Set([
  "bench",
  "config",
  "console",
  "core",
  "media",
  "punch",
  "relay",
  "rtp",
  "sdp",
  "stun",
  "udp",
  "webrtc",
]);
const folders = readdirSync(root, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []));

const rounds = [
  { atOnce: 2, minutes: 8, names: folders.filter((name) => computing.has(name)) },
  { atOnce: 1, minutes: 60, names: folders.filter((name) => !computing.has(name)) },
];

for (const { atOnce, minutes, names } of rounds) {
  const patterns = names.map((name) => `test/${name}/**/*.test.ts`);
  const { status } = spawnSync(
    process.execPath,
    ["--test", `--test-concurrency=${atOnce}`, ...process.argv.slice(2), ...patterns],
    { cwd: new URL("..", import.meta.url), stdio: "inherit", timeout: minutes * 60_000 },
  );
  process.exitCode ||= status ?? 1;
}
