import type { ComponentChildren, VNode } from "preact";
import { formatDuration } from "../model/format.ts";
import { Brand } from "./brand.tsx";
import { useConsole } from "./console-context.ts";

const links = {
  connecting: { text: "Connecting…", tone: "warn" },
  live: { text: "Live", tone: "good" },
  lost: { text: "Reconnecting…", tone: "warn" },
} as const;

/** What is around every view: the relay and how it is reached, and what was said last. */
export function Frame({ said, children }: { readonly said: string; readonly children: ComponentChildren }): VNode {
  const { state, signOut } = useConsole();
  const { link, relay, problem } = state;
  const { text, tone } = links[link];
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to the content
      </button>
      <header class="bar">
        <a class="home" href="#/" aria-label="Punchcast, all streams">
          <Brand />
        </a>
        {relay !== undefined && (
          <p class="relay wide-only">
            <code>{relay.punch}</code>
            <span class="quiet">
              {" "}
              {relay.plane} plane · {relay.version} · up {formatDuration(relay.uptimeMs)}
            </span>
          </p>
        )}
        <span class={`chip ${tone}`}>{text}</span>
        <button type="button" class="plain" onClick={signOut}>
          Sign out
        </button>
      </header>
      {problem !== undefined && (
        <p class="banner" role="alert">
          {problem.message} Trying again{relay === undefined ? "…" : "; what is shown is from before."}
        </p>
      )}
      <main id="main" tabIndex={-1}>
        {relay === undefined ? problem === undefined && <p class="quiet">Asking the relay…</p> : children}
      </main>
      <footer>
        <a href="/reference">API reference</a>
      </footer>
      <div role="status" class="toast" data-shown={said !== ""}>
        {said}
      </div>
    </>
  );
}
