import { readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { PunchcastError, systemErrorCode } from "../../core/errors.ts";

/** Kernel switches as they were found, by path below /proc/sys; good for the boot and network namespace with this id. */
export interface SavedSwitches {
  readonly bootId: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Where the switches' values are kept while they are changed, so that a relay that was killed can still be tidied up after. */
export interface SwitchStore {
  load(): Promise<SavedSwitches | undefined>;
  save(saved: SavedSwitches): Promise<void>;
  clear(): Promise<void>;
}

/** A store for those who have no place to keep a file: a relay that is killed then leaves the switches as they are. */
export function createMemorySwitches(): SwitchStore {
  let kept: SavedSwitches | undefined;
  return {
    load: () => Promise.resolve(kept),
    save: async (saved) => {
      kept = saved;
    },
    clear: async () => {
      kept = undefined;
    },
  };
}

const root = "/proc/sys/";

/** The switch of a whole IP version. Writing it rewrites every interface's, and with IPv4 whether redirects are accepted. */
const mainSwitch: Readonly<Record<4 | 6, string>> = {
  4: "net/ipv4/ip_forward",
  6: "net/ipv6/conf/all/forwarding",
};

/**
 * Lets the kernel forward packets of these IP versions that come in through these interfaces. What is changed is put into
 * `store` first; what is there already from an earlier start is kept, since that knows how the host was before.
 * @throws PunchcastError NO_PRIVILEGE or UNSUPPORTED_HOST
 */
export async function switchForwardingOn(
  families: readonly (4 | 6)[],
  interfaces: readonly string[],
  store: SwitchStore,
): Promise<void> {
  const off: string[] = [];
  for (const family of families) {
    if ((await readSwitch(mainSwitch[family])) === "0") off.push(mainSwitch[family]);
    else {
      for (const name of interfaces) {
        const path = `net/ipv${family}/conf/${name}/forwarding`;
        if ((await readSwitch(path)) === "0") off.push(path);
      }
    }
  }
  if (off.length === 0) return;
  const bootId = await readBootId();
  const earlier = await store.load();
  const known = earlier?.bootId === bootId ? earlier.values : {};
  const found = await Promise.all(families.map(readAffected));
  await store.save({ bootId, values: { ...Object.assign({}, ...found), ...known } });
  for (const path of off) await writeSwitch(path, "1");
}

/** Puts back what `store` remembers of this boot, and forgets it; true if there was something to put back. */
export async function putSwitchesBack(store: SwitchStore): Promise<boolean> {
  const saved = await store.load();
  let changed = false;
  if (saved !== undefined && saved.bootId === (await readBootId())) {
    // The main switches go first, because they take the others along.
    const main = new Set<string>(Object.values(mainSwitch));
    const paths = Object.keys(saved.values).sort((a, b) => Number(main.has(b)) - Number(main.has(a)));
    for (const path of paths) {
      const [value = "", now] = [saved.values[path], await readSwitch(path)];
      if (now === undefined || now === value) continue;
      await writeSwitch(path, value);
      changed = true;
    }
  }
  await store.clear();
  return changed;
}

/** The value of a switch, `undefined` if this kernel or host has none of that name. */
export async function readSwitch(path: string): Promise<string | undefined> {
  try {
    return (await readFile(root + path, "utf8")).trim();
  } catch {
    return undefined;
  }
}

async function readAffected(family: 4 | 6): Promise<Record<string, string>> {
  const folder = `net/ipv${family}/conf`;
  const names = await readdir(root + folder).catch(() => []);
  const paths = [
    mainSwitch[family],
    ...(family === 4 ? [`${folder}/all/accept_redirects`] : []),
    ...names.filter((name) => name !== "all").map((name) => `${folder}/${name}/forwarding`),
  ];
  const values = await Promise.all(paths.map(async (path) => [path, await readSwitch(path)] as const));
  return Object.fromEntries(values.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}

async function writeSwitch(path: string, value: string): Promise<void> {
  try {
    await writeFile(root + path, value);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return;
    const setting = `${path.replaceAll("/", ".")}=${value}`;
    throw new PunchcastError(
      "NO_PRIVILEGE",
      `The kernel switch ${setting} may not be written (${systemErrorCode(error)}): run sudo sysctl -w ${setting} yourself, ` +
        "or give the relay CAP_NET_ADMIN and a writable /proc/sys (systemd: no ProtectKernelTunables, Docker: --privileged).",
      error,
    );
  }
}

/**
 * Names this run of the kernel and this network namespace of it: a reboot, and a container that starts again, set every
 * switch anew, and what was saved before is worth nothing.
 */
async function readBootId(): Promise<string> {
  const [boot, namespace] = await Promise.all([
    readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    readlink("/proc/self/ns/net"),
  ]);
  return `${boot.trim()} ${namespace}`;
}
