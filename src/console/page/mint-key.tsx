import type { TargetedSubmitEvent, VNode } from "preact";
import { useState } from "preact/hooks";
import type { MintedKey, MintRequest } from "../../http/api/shapes.ts";
import { useConsole } from "./console-context.ts";
import { CopyButton } from "./copy-button.tsx";
import { Dialog } from "./dialog.tsx";
import { QrCode } from "./qr-code.tsx";

const lifetimes = [
  [600, "10 minutes"],
  [3_600, "1 hour"],
  [28_800, "8 hours"],
  [86_400, "1 day"],
  [604_800, "1 week"],
] as const;

/** Makes a link that is good for a while. */
export function MintKey({ name, onClose }: { readonly name: string; readonly onClose: () => void }): VNode {
  const { client } = useConsole();
  const [role, setRole] = useState<MintRequest["role"]>("view");
  const [lifetimeSeconds, setLifetime] = useState(3_600);
  const [minted, setMinted] = useState<MintedKey>();
  const [problem, setProblem] = useState<string>();

  async function mint(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    try {
      setMinted(await client.mintKey(name, { role, lifetimeSeconds }));
      setProblem(undefined);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  }

  return (
    <Dialog title={`A link to ${name} for a while`} onClose={onClose}>
      <form onSubmit={(event) => void mint(event)}>
        <div class="field">
          <label for="mint-role">It lets somebody</label>
          <select id="mint-role" value={role} onChange={({ currentTarget }) => setRole(roleOf(currentTarget.value))}>
            <option value="view">watch</option>
            <option value="publish">publish</option>
          </select>
        </div>
        <div class="field">
          <label for="mint-lifetime">For</label>
          <select
            id="mint-lifetime"
            value={lifetimeSeconds}
            onChange={({ currentTarget }) => setLifetime(Number(currentTarget.value))}
          >
            {lifetimes.map(([seconds, label]) => (
              <option key={seconds} value={seconds}>
                {label}
              </option>
            ))}
          </select>
        </div>
        {problem !== undefined && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        {minted !== undefined && <Minted {...minted} />}
        <div class="actions">
          <button type="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" class="primary">
            Make the link
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function roleOf(value: string): MintRequest["role"] {
  return value === "publish" ? "publish" : "view";
}

function Minted({ url, browserUrl, expires }: MintedKey): VNode {
  const lines = [["punchcast", url] as const, ...(browserUrl === undefined ? [] : [["Browser", browserUrl] as const])];
  return (
    <div role="status" class="minted">
      <p>Good until {new Date(expires * 1000).toLocaleString()}; the relay keeps no list of it.</p>
      <ul class="lines">
        {lines.map(([label, text]) => (
          <li key={label}>
            <h3>{label}</h3>
            <code>{text}</code>
            <CopyButton text={text} label={label} />
          </li>
        ))}
      </ul>
      {browserUrl !== undefined && <QrCode text={browserUrl} label="QR code of the watch page, with this link" />}
    </div>
  );
}
