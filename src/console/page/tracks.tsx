import type { VNode } from "preact";
import type { ApiStream } from "../../http/api/shapes.ts";
import { formatBitrate, formatCodec, formatCount, formatMs } from "../model/format.ts";

/** What the publisher sends, track by track. */
export function Tracks({ stream }: { readonly stream: ApiStream }): VNode {
  const rows = stream.stats.in.filter(({ component, packets }) => component % 2 === 0 && packets > 0);
  return (
    <section class="card" aria-labelledby="tracks">
      <h2 id="tracks">Tracks</h2>
      {rows.length === 0 ? (
        <p class="quiet">Nothing has come yet.</p>
      ) : (
        <section class="scroll" tabIndex={0} aria-label="Tracks, table">
          <table>
            <thead>
              <tr>
                <th scope="col">Codec</th>
                <th scope="col">Bitrate</th>
                <th scope="col">Frames</th>
                <th scope="col">Key frames</th>
                <th scope="col">Jitter</th>
                <th scope="col">Packets</th>
                <th scope="col">Lost</th>
                <th scope="col">Restarts</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ component, ...track }) => (
                <tr key={component}>
                  <th scope="row">{nameOf(track)}</th>
                  <td>{track.bitrate === undefined ? "–" : formatBitrate(track.bitrate)}</td>
                  <td>{track.frameRate === undefined ? "–" : `${track.frameRate.toFixed(0)} /s`}</td>
                  <td>
                    {track.keyFrameIntervalMs === undefined
                      ? "–"
                      : `every ${(track.keyFrameIntervalMs / 1000).toFixed(1)} s`}
                  </td>
                  <td>{formatMs(track.jitterMs)}</td>
                  <td>{formatCount(track.packets)}</td>
                  <td>{track.lost === undefined ? "–" : formatCount(track.lost)}</td>
                  <td>{formatCount(Object.values(track.restarts ?? {}).reduce((sum, count) => sum + count, 0))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}

function nameOf({ codec, payloadType }: Pick<ApiStream["stats"]["in"][number], "codec" | "payloadType">): string {
  if (codec !== undefined) return formatCodec(codec);
  return payloadType === undefined ? "not RTP" : `payload type ${payloadType}`;
}
