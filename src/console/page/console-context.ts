import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Session } from "./session.ts";

/** What every part of the console may use. */
export interface ConsoleContext extends Session {
  /** Tells who does not see the screen, too; for what somebody has just done, not for what goes on by itself. */
  say(message: string): void;
  signOut(): void;
}

/** Provided by the frame around all views. */
export const ConsoleProvider: ReturnType<typeof createContext<ConsoleContext | undefined>> = createContext<
  ConsoleContext | undefined
>(undefined);

/** @throws Error outside of the frame */
export function useConsole(): ConsoleContext {
  const context = useContext(ConsoleProvider);
  if (context === undefined) throw new Error("There is no session here.");
  return context;
}
