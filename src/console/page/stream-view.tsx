import type { VNode } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ApiKeys } from "../../http/api/shapes.ts";
import { formatNumber } from "../model/format.ts";
import { recent } from "../model/history.ts";
import { diagnose } from "../model/path.ts";
import { Charts } from "./charts.tsx";
import { Confirm } from "./confirm.tsx";
import { useConsole } from "./console-context.ts";
import { MintKey } from "./mint-key.tsx";
import { Paste } from "./paste.tsx";
import { PathCard } from "./path-card.tsx";
import { RotateKeys } from "./rotate-keys.tsx";
import { Tracks } from "./tracks.tsx";
import { Viewers } from "./viewers.tsx";

/** One stream: how it fares on its way, who watches, and how to send and watch. */
export function StreamView({ name }: { readonly name: string }): VNode {
  const { state, client, refresh, say } = useConsole();
  const [dialog, setDialog] = useState<"delete" | "rotate" | "mint">();
  const [keys, setKeys] = useState<ApiKeys>();
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => {
    document.title = `${name} · Punchcast`;
    heading.current?.focus();
  }, [name]);

  const stream = state.streams.find((each) => each.name === name);
  if (stream === undefined) {
    return (
      <>
        <h1 ref={heading} tabIndex={-1}>
          {name}
        </h1>
        <p class="card empty">
          There is no stream of that name. <a href="#/">All streams</a>
        </p>
      </>
    );
  }
  const { samples } = state.histories.get(name) ?? { samples: [] };
  const now = recent({ samples });
  const findings = diagnose(stream, now);
  const isCreated = stream.origin === "created";

  async function remove(): Promise<void> {
    await client.deleteStream(name);
    await refresh();
    say(`Deleted: ${name}`);
    location.hash = "#/";
  }

  return (
    <>
      <nav class="crumbs" aria-label="You are here">
        <a href="#/">Streams</a> <span aria-hidden="true">/</span>
      </nav>
      <div class="title">
        <h1 ref={heading} tabIndex={-1}>
          {name}
        </h1>
        <span class={`chip ${stream.stats.publisherLive ? "good" : "idle"}`}>
          {stream.stats.publisherLive ? "Live" : "Idle"}
        </span>
        <div class="actions">
          {state.relay?.mintsKeys === true && (
            <button type="button" onClick={() => setDialog("mint")}>
              Time-limited link
            </button>
          )}
          <button type="button" onClick={() => setDialog("rotate")}>
            Rotate keys
          </button>
          {isCreated && (
            <button type="button" class="danger" onClick={() => setDialog("delete")}>
              Delete
            </button>
          )}
        </div>
      </div>
      {!isCreated && (
        <p class="quiet">
          The command line or the configuration file names this stream, so it is changed and deleted there.
        </p>
      )}
      <PathCard stream={stream} now={now} findings={findings} />
      <Charts samples={samples} />
      <Tracks stream={stream} />
      <Viewers stream={stream} />
      <Paste stream={stream} keys={keys} onKeys={setKeys} />
      {dialog === "delete" && (
        <Confirm title={`Delete ${name}?`} action="Delete" onConfirm={remove} onClose={() => setDialog(undefined)}>
          <p>
            Its publisher and {formatNumber(stream.watching, "viewer", "viewers")} are cut off at once, and its keys are
            forgotten.
          </p>
        </Confirm>
      )}
      {dialog === "rotate" && (
        <RotateKeys
          name={name}
          onKeys={(made) => setKeys(keys === undefined ? undefined : made)}
          onClose={() => setDialog(undefined)}
        />
      )}
      {dialog === "mint" && <MintKey name={name} onClose={() => setDialog(undefined)} />}
    </>
  );
}
