import type { VNode } from "preact";
import type { ApiStream } from "../../http/api/shapes.ts";
import type { Recent } from "../model/history.ts";
import type { Finding } from "../model/path.ts";
import { PathPicture } from "./path-picture.tsx";

/** The way of a stream, and under it what is wrong with it. */
export function PathCard({
  stream,
  now,
  findings,
}: {
  readonly stream: ApiStream;
  readonly now: Recent;
  readonly findings: readonly Finding[];
}): VNode {
  return (
    <section class="card" aria-labelledby="path">
      <h2 id="path">The path</h2>
      <PathPicture stream={stream} now={now} findings={findings} />
      {findings.length === 0 ? (
        <p class="note good">Everything arrives.</p>
      ) : (
        <ul class="findings">
          {findings.map(({ place, health, sentence, remedy }) => (
            <li key={`${place} ${sentence}`} class={`note ${health}`}>
              <strong>{sentence}</strong> {remedy}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
