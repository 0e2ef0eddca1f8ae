import type { VNode } from "preact";
import { useId } from "preact/hooks";

/** One line of a form: what it is, what it takes, and what is wrong with it. */
export function Field({
  label,
  hint,
  value,
  problem,
  onValue,
  ...more
}: {
  readonly label: string;
  readonly hint?: string;
  readonly value: string;
  readonly problem: string | undefined;
  readonly onValue: (value: string) => void;
  readonly required?: boolean;
  readonly inputMode?: "numeric" | "text";
  readonly placeholder?: string;
}): VNode {
  const id = useId();
  const described = [hint === undefined ? "" : `${id}-hint`, problem === undefined ? "" : `${id}-problem`];
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...more}
        id={id}
        value={value}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={problem !== undefined}
        aria-describedby={described.join(" ").trim() || undefined}
        onInput={({ currentTarget }) => onValue(currentTarget.value)}
      />
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problem !== undefined && (
        <p class="problem" id={`${id}-problem`} role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}
