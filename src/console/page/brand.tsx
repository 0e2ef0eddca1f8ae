import type { VNode } from "preact";

/** Name and mark. */
export function Brand(): VNode {
  return (
    <span class="brand">
      <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
        <rect width="32" height="32" rx="8" />
        <path d="M6 16h6M20 16h6" />
        <circle cx="16" cy="16" r="4.5" />
      </svg>
      Punchcast
    </span>
  );
}
