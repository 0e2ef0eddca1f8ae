import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { ApiKeys, ApiStream } from "../../http/api/shapes.ts";
import { type Line, playerLines, senderLines } from "../model/lines.ts";
import { useConsole } from "./console-context.ts";
import { CopyButton } from "./copy-button.tsx";
import { QrCode } from "./qr-code.tsx";

/** How to send and how to watch, ready to paste. The keys are asked for only when somebody wants them. */
export function Paste({
  stream,
  keys,
  onKeys,
}: {
  readonly stream: ApiStream;
  readonly keys: ApiKeys | undefined;
  readonly onKeys: (keys: ApiKeys | undefined) => void;
}): VNode | null {
  const { client, state, say } = useConsole();
  const [isPlaying, setPlaying] = useState(false);
  const { relay } = state;
  if (relay === undefined) return null;
  const facts = { stream, relay, keys, origin: location.origin };

  async function show(): Promise<void> {
    try {
      onKeys(await client.readKeys(stream.name));
      say("The keys are shown.");
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  }

  const hide = (): void => {
    onKeys(undefined);
    setPlaying(false);
  };
  const page = keys?.browserUrl;
  return (
    <>
      <div class="columns watch-columns">
        <section class="card" aria-labelledby="page">
          <h2 id="page">Keys and watch page</h2>
          {keys === undefined ? (
            <p class="quiet">The page, its QR code and the player need the view key: show the keys first.</p>
          ) : page === undefined ? (
            <p class="quiet">Browsers cannot watch here: the relay runs without WebRTC.</p>
          ) : (
            <div class="watch-page">
              <QrCode text={page} label={`QR code of the watch page of ${stream.name}, with the view key`} />
              <div class="beside">
                <p>
                  <a href={page} target="_blank" rel="noreferrer">
                    Open the watch page
                  </a>
                </p>
                <button type="button" onClick={() => setPlaying(!isPlaying)}>
                  {isPlaying ? "Stop" : "Play here"}
                </button>
                <p class="quiet">Whoever has this code can watch.</p>
              </div>
            </div>
          )}
          <button
            type="button"
            aria-pressed={keys !== undefined}
            onClick={() => (keys === undefined ? void show() : hide())}
          >
            {keys === undefined ? "Show the keys" : "Hide the keys"}
          </button>
        </section>
        {page !== undefined && isPlaying && (
          <section class="card player" aria-labelledby="player">
            <h2 id="player">Player</h2>
            <iframe
              title={`Player of ${stream.name}`}
              src={`/watch/${encodeURIComponent(stream.name)}${new URL(page).hash}`}
              allow="autoplay; fullscreen; picture-in-picture"
            />
          </section>
        )}
      </div>
      <div class="columns">
        <Lines title="Send" id="send" lines={senderLines(facts)} />
        <Lines title="Watch" id="watch" lines={playerLines(facts)} />
      </div>
    </>
  );
}

function Lines({
  title,
  id,
  lines,
}: {
  readonly title: string;
  readonly id: string;
  readonly lines: readonly Line[];
}): VNode {
  return (
    <section class="card" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <ul class="lines">
        {lines.map(({ label, text, note, needsKeys }) => (
          <li key={label}>
            <h3>{label}</h3>
            <code>{text}</code>
            {needsKeys ? <span class="quiet small">needs the keys</span> : <CopyButton text={text} label={label} />}
            {note !== undefined && <p class="hint">{note}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}
