import { once } from "node:events";
import { createInterface } from "node:readline";
import type { LabNode } from "../../src/lab/lab.ts";

/** A program on a host that answers lines of JSON, `[method, …]` in and `{"value": …}` or `{"error": …}` out. */
export interface LineDriven {
  call<T>(method: string, ...args: readonly unknown[]): Promise<T>;
  /** Sends a signal (default SIGTERM) and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts such a program. */
export function lineDriven(node: LabNode, command: string, args: readonly string[]): LineDriven {
  const child = node.spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  const waiting: PromiseWithResolvers<unknown>[] = [];
  const exited = once(child, "close");
  let complaints = "";
  child.stdin?.on("error", () => {});
  child.stderr?.on("data", (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  createInterface({ input: child.stdout ?? process.stdin }).on("line", (line) => {
    const { value, error } = JSON.parse(line);
    if (error === undefined) waiting.shift()?.resolve(value);
    else waiting.shift()?.reject(new Error(`${error}\n${complaints}`));
  });
  child.once("close", () => {
    for (const call of waiting) call.reject(new Error(`${command} ${args[0]} ended: ${complaints}`));
  });
  return {
    call<T>(...line: readonly unknown[]) {
      const answer = Promise.withResolvers<T>();
      waiting.push(answer as PromiseWithResolvers<unknown>);
      child.stdin?.write(`${JSON.stringify(line)}\n`);
      return answer.promise;
    },
    async kill(signal = "SIGTERM") {
      child.kill(signal);
      await exited;
    },
  };
}
