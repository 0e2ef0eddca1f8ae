import type { TargetedSubmitEvent, VNode } from "preact";
import { useRef, useState } from "preact/hooks";
import type { NewStream } from "../../http/api/shapes.ts";
import { type FormProblem, formProblem } from "../model/problem.ts";
import { useConsole } from "./console-context.ts";
import { Dialog } from "./dialog.tsx";
import { Field } from "./field.tsx";
import { streamHref } from "./route.ts";

const empty = { name: "", ingestPort: "", components: "", from: "", viewKey: "", publishKey: "" };
type Fields = typeof empty;

/** Asks what a stream is to be, and creates it. What is wrong the relay says; it is shown where it is wrong. */
export function CreateStream({ onClose }: { readonly onClose: () => void }): VNode {
  const { client, refresh, say } = useConsole();
  const [fields, setFields] = useState(empty);
  const [problem, setProblem] = useState<FormProblem>();
  const [isBusy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);

  const field = (
    name: keyof Fields,
  ): { value: string; problem: string | undefined; onValue: (value: string) => void } => ({
    value: fields[name],
    problem: problem?.field === name ? problem.message : undefined,
    onValue: (value) => setFields({ ...fields, [name]: value }),
  });

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      const { name } = await client.createStream(wanted(fields));
      await refresh();
      say(`Created: ${name}`);
      location.hash = streamHref(name);
      onClose();
    } catch (error) {
      setBusy(false);
      setProblem(formProblem(error, Object.keys(empty)));
      setTimeout(() => form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus(), 0);
    }
  }

  return (
    <Dialog title="Create a stream" onClose={onClose}>
      <form ref={form} onSubmit={(event) => void submit(event)}>
        <Field label="Name" required hint="Letters, digits, '.', '_' and '-'." {...field("name")} />
        <Field
          label="First ingest port (UDP)"
          inputMode="numeric"
          hint="Where plain senders send to. Empty: only senders with the publish key, and browsers."
          {...field("ingestPort")}
        />
        <Field
          label="Components"
          inputMode="numeric"
          placeholder="4"
          hint="UDP ports: two for each RTP track."
          {...field("components")}
        />
        <details open={problem?.field !== undefined && ["from", "viewKey", "publishKey"].includes(problem.field)}>
          <summary>Who may send, and keys of your own</summary>
          <Field
            label="Take media from"
            placeholder="192.0.2.0/24, 2001:db8::1"
            hint="Addresses or blocks. Empty: whoever sends first."
            {...field("from")}
          />
          <Field label="View key" hint="At least 8 characters. Empty: a random one." {...field("viewKey")} />
          <Field label="Publish key" hint="At least 8 characters. Empty: a random one." {...field("publishKey")} />
        </details>
        {problem !== undefined && problem.field === undefined && (
          <p class="problem" role="alert">
            {problem.message}
          </p>
        )}
        <div class="actions">
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={isBusy}>
            Create
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** What is no number goes to the relay as it is, which says what it takes. */
function wanted({ name, ingestPort, components, from, viewKey, publishKey }: Fields): NewStream {
  const number = (text: string): number => (/^\s*\d+\s*$/.test(text) ? Number(text) : Number.NaN);
  const blocks = from.split(/[\s,]+/).filter((block) => block !== "");
  return {
    name: name.trim(),
    ingestPort: ingestPort.trim() === "" ? "none" : number(ingestPort),
    ...(components.trim() !== "" && { components: number(components) }),
    ...(blocks.length > 0 && { from: blocks }),
    ...(viewKey !== "" && { viewKey }),
    ...(publishKey !== "" && { publishKey }),
  };
}
