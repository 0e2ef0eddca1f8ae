import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { LabNode } from "../../src/lab/lab.ts";
import type { SendEvent } from "../../src/send/send-events.ts";
import type { ServerEvent } from "../../src/server/server-events.ts";
import type { WatchEvent } from "../../src/watch/watch-events.ts";
import { createOwnTempFolder } from "./own-temp-folder.ts";

/** An event as a program printed it; `atMs` is when it says it happened, in milliseconds since 1970. */
export type Told<Event> = Event & { readonly atMs: number };

/** Which event `until` waits for, beyond its name. */
export interface Wanted<Event> {
  readonly where?: (event: Event) => boolean;
  /** Only events from this index of `events` on; default 0, all that were ever told. */
  readonly since?: number;
  /** Default 10,000. */
  readonly withinMs?: number;
}

/** A program in the lab that prints one JSON object a line. */
export interface Running<Event extends { readonly event: string }> {
  readonly events: readonly Told<Event>[];
  /** The first event that fits, told already or yet to come; rejects, with all that was told, if it does not come in time. */
  until<Name extends Event["event"]>(
    name: Name,
    wanted?: Wanted<Extract<Event, { event: Name }>>,
  ): Promise<Told<Extract<Event, { event: Name }>>>;
  /** The events of that name so far, from index `since` on. */
  all<Name extends Event["event"]>(name: Name, since?: number): Told<Extract<Event, { event: Name }>>[];
  write(line: string): void;
  /** Sends a signal (default SIGTERM) and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

const entry = fileURLToPath(new URL("punchcast-entry.ts", import.meta.url));

/** `punchcast relay` on a host; more than the flags that matter to the test is left to the defaults. */
export function runRelay(node: LabNode, ...args: readonly string[]): Running<ServerEvent> {
  return punchcast(node, "relay", args);
}

/** `punchcast watch` on a host. */
export function runWatch(node: LabNode, ...args: readonly string[]): Running<WatchEvent> {
  return punchcast(node, "watch", args);
}

/** `punchcast send` on a host. */
export function runSend(node: LabNode, ...args: readonly string[]): Running<SendEvent> {
  return punchcast(node, "send", args);
}

/** What a command of `punchcast` prints, on a host, that ends by itself. */
export async function runCommand(node: LabNode, ...args: readonly string[]): Promise<string> {
  return (await node.run(process.execPath, [entry, ...args])).stdout;
}

function punchcast<Event extends { readonly event: string }>(
  node: LabNode,
  command: string,
  args: readonly string[],
): Running<Event> {
  const temporary = createOwnTempFolder();
  const env = { ...process.env, ...temporary.env };
  const child = node.spawn(process.execPath, [entry, command, ...args, "--json"], { env });
  child.once("close", temporary.remove);
  return follow(child, `${command} on ${node.name}`);
}

/** What rtp-receiver.py tells. */
export type ReceiverEvent =
  | { readonly event: "ready"; readonly port: number }
  | { readonly event: "first" }
  | { readonly event: "gap"; readonly lengthMs: number; readonly endMs: number }
  | {
      readonly event: "done";
      readonly packets: number;
      readonly missing: number;
      readonly duplicates: number;
      readonly sources: readonly string[];
    };

/** What rtp-source.py tells, with the packets sent by then. */
export type SourceEvent =
  | { readonly event: "sending"; readonly sent: number }
  | { readonly event: "paused"; readonly sent: number }
  | { readonly event: "done"; readonly sent: number };

/** What crowd.py tells; the packets are of each viewer. */
export type CrowdEvent =
  | { readonly event: "ready" }
  | {
      readonly event: "done";
      readonly packets: readonly number[];
      readonly missing: number;
      readonly duplicates: number;
    };

/** Runs one of the Python programs in this folder on a host. */
export function runPython<Event extends { readonly event: string }>(
  node: LabNode,
  script: string,
  ...args: readonly string[]
): Running<Event> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return follow(node.spawn("python3", [path, ...args]), `${script} on ${node.name}`);
}

/** A viewer's agent, and a player behind it that knows nothing of holes: what it sees is what a person would see. */
export interface Audience {
  readonly name: string;
  readonly watch: Running<WatchEvent>;
  /** Plays component 0. */
  readonly player: Running<ReceiverEvent>;
  /** Plays component 2. */
  readonly soundPlayer: Running<ReceiverEvent>;
}

/** Starts both on a host; they are ready when it resolves. */
export async function attend(node: LabNode, url: string): Promise<Audience> {
  const watch = runWatch(node, url);
  const { port } = await watch.until("ready");
  const play = (at: number): Running<ReceiverEvent> => runPython(node, "rtp-receiver.py", "player", String(at));
  const [player, soundPlayer] = [play(port), play(port + 2)];
  await Promise.all([player.until("ready"), soundPlayer.until("ready")]);
  return { name: node.name, watch, player, soundPlayer };
}

/** Reads a program's lines; lines that are no JSON objects are kept for the report of a failure, as is what it says on stderr. */
export function follow<Event extends { readonly event: string }>(child: ChildProcess, name: string): Running<Event> {
  const events: Told<Event>[] = [];
  const waiters = new Set<() => void>();
  const exited = once(child, "close");
  let other = "";
  let ended = false;

  const look = (): void => {
    for (const waiter of waiters) waiter();
  };
  child.stderr?.on("data", (chunk: Buffer) => {
    other += chunk.toString();
  });
  if (child.stdout) {
    createInterface(child.stdout).on("line", (line) => {
      if (!line.startsWith("{")) {
        other += `${line}\n`;
        return;
      }
      const event: Event & { readonly time?: string } = JSON.parse(line);
      events.push({ ...event, atMs: event.time === undefined ? Date.now() : Date.parse(event.time) });
      look();
    });
  }
  child.on("close", () => {
    ended = true;
    look();
  });
  // A program that has gone takes no more lines; its end is told by whoever waits for it.
  child.stdin?.on("error", () => {});

  function all<Name extends Event["event"]>(name: Name, since = 0): Told<Extract<Event, { event: Name }>>[] {
    const isOfName = (event: Told<Event>): event is Told<Extract<Event, { event: Name }>> => event.event === name;
    return events.slice(since).filter(isOfName);
  }

  return {
    events,
    all,
    until(wantedName, { where = () => true, since = 0, withinMs = 10_000 } = {}) {
      return new Promise((resolve, reject) => {
        const stop = (): void => {
          waiters.delete(waiter);
          clearTimeout(timer);
        };
        const fail = (why: string): void => {
          stop();
          const told = events.slice(-12).map((event) => JSON.stringify(event));
          reject(new Error(`${name} told no fitting '${wantedName}' ${why}; it said:\n${told.join("\n")}\n${other}`));
        };
        const waiter = (): void => {
          const found = all(wantedName, since).find(where);
          if (found !== undefined) {
            stop();
            resolve(found);
          } else if (ended) fail("before it ended");
        };
        const timer = setTimeout(() => fail(`in ${withinMs} ms`), withinMs);
        waiters.add(waiter);
        waiter();
      });
    },
    write: (line) => void child.stdin?.write(`${line}\n`),
    async kill(signal = "SIGTERM") {
      if (!ended) child.kill(signal);
      await exited;
    },
  };
}
