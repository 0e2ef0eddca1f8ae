import type { VNode } from "preact";
import type { Activity } from "../model/state.ts";
import { streamHref } from "./route.ts";

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** What happened since the console was opened, newest first. Told by no voice: it goes on by itself. */
export function ActivityList({ activity }: { readonly activity: readonly Activity[] }): VNode {
  if (activity.length === 0) return <p class="quiet">Nothing has happened since this page was opened.</p>;
  return (
    <section class="scroll" tabIndex={0} aria-label="What happened, newest first">
      <ol class="activity">
        {activity.map(({ id, time, stream, text }) => (
          <li key={id}>
            <time dateTime={time}>{clock.format(new Date(time))}</time>
            {stream !== undefined && <a href={streamHref(stream)}>{stream}</a>}
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
