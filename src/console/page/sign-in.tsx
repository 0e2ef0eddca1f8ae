import type { TargetedSubmitEvent, VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Problem } from "../model/problem.ts";
import { Brand } from "./brand.tsx";

/** Asks for the admin token. */
export function SignIn({
  problem,
  onToken,
}: {
  readonly problem: Problem | undefined;
  readonly onToken: (token: string) => void;
}): VNode {
  const [token, setToken] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    document.title = "Sign in · Punchcast";
    field.current?.focus();
  }, [problem]);

  function submit(event: TargetedSubmitEvent<HTMLFormElement>): void {
    event.preventDefault();
    if (token.trim() !== "") onToken(token.trim());
  }

  return (
    <main class="sign-in">
      <div class="card">
        <Brand />
        <h1>Sign in to the relay</h1>
        <p class="quiet">
          <code>{location.host}</code>
        </p>
        <form onSubmit={submit}>
          <label for="token">Admin token</label>
          <input
            ref={field}
            id="token"
            type="password"
            autocomplete="current-password"
            spellcheck={false}
            required
            value={token}
            aria-invalid={problem?.kind === "wrong-token"}
            aria-describedby={problem === undefined ? undefined : "token-problem"}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
          {problem !== undefined && (
            <p class="problem" id="token-problem" role="alert">
              {problem.message}
            </p>
          )}
          <button type="submit" class="primary">
            Sign in
          </button>
        </form>
        <details>
          <summary>Where is the token?</summary>
          <p>The relay made it at its first start and keeps it in its state file, on its own host:</p>
          <pre>
            <code>node -p 'require(process.env.HOME + "/.local/state/punchcast/relay.json").adminToken'</code>
          </pre>
          <p>It is forgotten when this tab is closed.</p>
        </details>
      </div>
    </main>
  );
}
