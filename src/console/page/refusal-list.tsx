import type { VNode } from "preact";
import type { RelayInfo } from "../../http/api/shapes.ts";
import { formatCount } from "../model/format.ts";
import { describeReason, harmless } from "../model/reasons.ts";

/** Punches by result and what was refused, since the relay's start: the first place to look at when somebody cannot watch. */
export function RefusalList({ relay }: { readonly relay: RelayInfo }): VNode {
  const { granted = 0, ...refusedPunches } = relay.punches;
  const all = Object.entries({ ...relay.refused, ...refusedPunches });
  const refused = all.filter(([reason]) => !harmless.has(reason)).toSorted(([, a], [, b]) => b - a);
  const sendErrors =
    relay.sendErrors > 0 ? [["Datagrams that the system would not send", relay.sendErrors] as const] : [];
  const rows = [
    ["Punches granted", granted] as const,
    ...refused.map(([reason, count]) => [describeReason(reason), count] as const),
    ...sendErrors,
    ...all
      .filter(([reason]) => harmless.has(reason))
      .map(([reason, count]) => [describeReason(reason), count] as const),
  ];
  return (
    <dl class="counts">
      {rows.map(([label, count]) => (
        <div key={label} class="count-row">
          <dt>{label}</dt>
          <dd>{formatCount(count)}</dd>
        </div>
      ))}
    </dl>
  );
}
