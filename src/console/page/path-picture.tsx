import type { VNode } from "preact";
import { useId } from "preact/hooks";
import type { ApiStream } from "../../http/api/shapes.ts";
import { formatBitrate, formatCodec, formatCount, formatNumber, formatShare } from "../model/format.ts";
import type { Recent } from "../model/history.ts";
import { describePath, type Finding, type Health, healthAt, type Place } from "../model/path.ts";
import { useMediaQuery } from "./media-query.ts";

/** A station of the path. */
interface Station {
  readonly name: string;
  readonly detail: string;
  readonly health: Health;
  readonly shape: "box" | "nat";
}

/** What lies between two stations. */
interface Leg {
  readonly rate: string;
  readonly loss: string;
  readonly health: Health;
  readonly isMoving: boolean;
}

/** publisher → NAT → relay → NAT → viewers, with what is wrong drawn where it is wrong; from top to bottom on a phone. */
export function PathPicture(props: {
  readonly stream: ApiStream;
  readonly now: Recent;
  readonly findings: readonly Finding[];
}): VNode {
  const isNarrow = useMediaQuery("(max-width: 700px)");
  const id = useId();
  const { stations, legs } = describe(props);
  const { stream, now, findings } = props;
  const place = isNarrow ? (i: number) => ({ x: 60, y: 34 + i * 92 }) : (i: number) => ({ x: 90 + i * 205, y: 68 });
  const view = isNarrow ? "0 0 340 436" : "0 0 1000 142";
  return (
    <svg class={`path ${isNarrow ? "tall" : "wide"}`} viewBox={view} role="img" aria-labelledby={id}>
      <title id={id}>{describePath(stream, now, findings)}</title>
      {legs.map((leg, i) => (
        <LegLine key={`leg ${i}`} leg={leg} from={place(i)} to={place(i + 1)} isNarrow={isNarrow} />
      ))}
      {stations.map((station, i) => (
        <StationMark key={station.name + i} station={station} at={place(i)} isNarrow={isNarrow} />
      ))}
    </svg>
  );
}

function describe({
  stream,
  now,
  findings,
}: {
  readonly stream: ApiStream;
  readonly now: Recent;
  readonly findings: readonly Finding[];
}): { readonly stations: readonly Station[]; readonly legs: readonly Leg[] } {
  const { publisherLive } = stream.stats;
  const { watching } = stream;
  const health = (place: Place): Health => healthAt(place, stream, findings);
  const [incoming, outgoing] = [health("publisher-leg"), health("viewer-leg")];
  const nat = (of: Health): Station => ({
    name: "NAT",
    detail: "",
    health: of === "idle" ? "idle" : "good",
    shape: "nat",
  });
  const lossIn = publisherLive ? `${formatShare(now.lossIn)} lost` : "";
  const lossOut = watching > 0 ? `${formatShare(now.lossOut)} lost` : "";
  const codecs = stream.stats.in.flatMap(({ codec }) => (codec === undefined ? [] : [formatCodec(codec)]));
  const comes = publisherLive && now.inBits > 0;
  const leaves = comes && watching > 0;
  return {
    stations: [
      {
        ...{ name: "Publisher", shape: "box", health: health("publisher") },
        detail: publisherLive ? (comes ? codecs.join(" + ") || "sending" : "silent") : "nobody",
      },
      nat(incoming),
      {
        ...{ name: "Relay", shape: "box", health: health("relay") },
        detail: now.drops > 0 ? `${formatCount(now.drops)} not sent` : "at work",
      },
      nat(outgoing),
      {
        ...{ name: "Viewers", shape: "box", health: health("viewers") },
        detail: watching === 0 ? "nobody" : formatNumber(watching, "viewer", "viewers"),
      },
    ],
    legs: [
      { rate: comes ? formatBitrate(now.inBits) : "", loss: "", health: incoming, isMoving: comes },
      { rate: "", loss: lossIn, health: incoming, isMoving: comes },
      { rate: leaves ? formatBitrate(now.outBits) : "", loss: "", health: outgoing, isMoving: leaves },
      { rate: "", loss: lossOut, health: outgoing, isMoving: leaves },
    ],
  };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function StationMark({
  station: { name, detail, health, shape },
  at: { x, y },
  isNarrow,
}: {
  readonly station: Station;
  readonly at: Point;
  readonly isNarrow: boolean;
}): VNode {
  const [width, height] = shape === "nat" ? [44, 44] : [isNarrow ? 56 : 132, 56];
  const isLabelled = shape === "box" && !isNarrow;
  return (
    <g class={`station ${health}`}>
      {shape === "nat" ? (
        <path d={`M${x} ${y - 26}l24 13v26l-24 13l-24 -13v-26z`} />
      ) : (
        <rect x={x - width / 2} y={y - height / 2} width={width} height={height} rx="10" />
      )}
      {isLabelled && (
        <>
          <text x={x} y={y - 4} class="name">
            {name}
          </text>
          <text x={x} y={y + 16} class="detail">
            {detail}
          </text>
        </>
      )}
      {!isLabelled && shape === "nat" && (
        <text x={x} y={y + 5} class="detail">
          {name}
        </text>
      )}
      {isNarrow && shape === "box" && (
        <>
          <circle cx={x} cy={y} r="7" class="dot" />
          <text x={x + 46} y={y - 3} class="name start">
            {name}
          </text>
          <text x={x + 46} y={y + 16} class="detail start">
            {detail}
          </text>
        </>
      )}
    </g>
  );
}

function LegLine({
  leg: { rate, loss, health, isMoving },
  from,
  to,
  isNarrow,
}: {
  readonly leg: Leg;
  readonly from: Point;
  readonly to: Point;
  readonly isNarrow: boolean;
}): VNode {
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
  const isWrong = health === "bad" || health === "warn";
  // The NAT is in the middle of the way between two parties: what is so of the whole way stands there.
  const label = isNarrow
    ? { x: middle.x + 46, y: middle.y + 5, anchor: "start" }
    : { x: rate === "" ? from.x : to.x, y: middle.y + (rate === "" ? 50 : -40), anchor: "" };
  return (
    <g class={`leg ${health}`}>
      <line x1={from.x} y1={from.y} x2={to.x} y2={to.y} class="way" />
      {isMoving && <line x1={from.x} y1={from.y} x2={to.x} y2={to.y} class="flow" />}
      {isWrong && loss !== "" && (
        <g class="cross">
          <circle cx={middle.x} cy={middle.y} r="11" />
          <path class="cross-mark" d={`M${middle.x - 4} ${middle.y - 4}l8 8m0 -8l-8 8`} />
        </g>
      )}
      {rate + loss !== "" && (
        <text x={label.x} y={label.y} class={`detail ${label.anchor} ${loss === "" ? "" : "loss"}`}>
          {rate + loss}
        </text>
      )}
    </g>
  );
}
