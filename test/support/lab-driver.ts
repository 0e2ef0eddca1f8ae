/*
 * A process that drives a lab, for tests that look at one from outside. Prints one line of JSON:
 * `hold` the lab's namespaces, and goes on until it is killed; `check` who it is and what a router shows; `probe` why not.
 */
import { createLab } from "../../src/lab/lab.ts";
import { probeLab } from "../../src/lab/probe.ts";
import { seedScene } from "../../src/lab/seed-scene.ts";
import { namespacesOf, withLab } from "./lab.ts";

const punch = `import socket
for family, relay in ((socket.AF_INET, "10.10.10.197"), (socket.AF_INET6, "fd00:10::197")):
  socket.socket(family, socket.SOCK_DGRAM).sendto(b"0", (relay, 9000))`;

const modes: Readonly<Record<string, () => Promise<unknown>>> = {
  hold: async () => {
    const lab = await createLab(seedScene());
    const child = lab.host("C1").spawn("sh", ["-c", "sleep 1000 & setsid sleep 1000 & echo up; sleep 1000"]);
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    return [...(await namespacesOf(lab))];
  },
  check: () =>
    withLab(seedScene(), async (lab) => {
      await lab.host("C1").run("python3", ["-c", punch]);
      const mappings = await lab.router("router-C1").mappings();
      await lab.router("router-C1").flush();
      const left = (await lab.router("router-C1").mappings()).length;
      return { uid: process.getuid?.(), mapped: mappings.map(({ mapped }) => mapped.address), left };
    }),
  probe: async () => (await probeLab()) ?? "",
};

console.log(JSON.stringify(await modes[process.argv[2] ?? ""]?.()));
