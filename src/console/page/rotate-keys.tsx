import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ApiKeys, KeyRotation } from "../../http/api/shapes.ts";
import { Confirm } from "./confirm.tsx";
import { useConsole } from "./console-context.ts";

const choices = [
  ["view", "The view key"],
  ["publish", "The publish key"],
  ["both", "Both"],
] as const;

/** Makes keys anew. */
export function RotateKeys({
  name,
  onKeys,
  onClose,
}: {
  readonly name: string;
  readonly onKeys: (keys: ApiKeys) => void;
  readonly onClose: () => void;
}): VNode {
  const { client, say } = useConsole();
  const [which, setWhich] = useState<NonNullable<KeyRotation["which"]>>("view");

  async function rotate(): Promise<void> {
    onKeys(await client.rotateKeys(name, which));
    say("There are new keys.");
  }

  return (
    <Confirm title={`New keys for ${name}`} action="Make new keys" onConfirm={rotate} onClose={onClose}>
      <fieldset>
        <legend>Which</legend>
        {choices.map(([value, label]) => (
          <label key={value} class="choice">
            <input type="radio" name="which" checked={which === value} onChange={() => setWhich(value)} />
            {label}
          </label>
        ))}
      </fieldset>
      <p>Whoever has an old one is out within 30 s and needs the new URL. Time-limited links stay good.</p>
    </Confirm>
  );
}
