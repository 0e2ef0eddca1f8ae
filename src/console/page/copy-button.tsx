import type { VNode } from "preact";
import { useConsole } from "./console-context.ts";

/** Copies a text; `label` says which, for who does not see what is beside it. */
export function CopyButton({ text, label }: { readonly text: string; readonly label: string }): VNode {
  const { say } = useConsole();
  return (
    <button
      type="button"
      class="small"
      aria-label={`Copy: ${label}`}
      onClick={() =>
        void copy(text).then((isDone) => say(isDone ? `Copied: ${label}` : "The browser did not copy it."))
      }
    >
      Copy
    </button>
  );
}

/** Over plain HTTP from another host browsers have no clipboard for pages; what is selected they still copy. */
async function copy(text: string): Promise<boolean> {
  if (window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused by a setting: the other way may still work.
    }
  }
  const before = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "hidden";
  (before?.closest("dialog") ?? document.body).append(area);
  area.select();
  const isDone = document.execCommand("copy");
  area.remove();
  if (before instanceof HTMLElement) before.focus();
  return isDone;
}
