import type { SendEvent } from "../send/send-events.ts";
import type { Output } from "./output.ts";

/** Says in words what a sender tells. */
export function createSendRenderer(): (event: SendEvent, output: Output<SendEvent>) => string | undefined {
  return (event, output) => {
    switch (event.event) {
      case "skipped":
        return `Track ${event.track} is left out: ${event.reason}.`;
      case "punched":
        return `Component ${event.component}: let in at ${event.relay}, seen as ${event.mapped}`;
      case "waiting":
        return event.message;
      case "sending": {
        const tracks = event.tracks.map(({ codec, component }) => `${codec} on component ${component}`).join(", ");
        const sdp = event.sdp === undefined ? "" : ` SDP: ${event.sdp}`;
        return `Sending ${event.file}: ${tracks}.${sdp}`;
      }
      case "published":
        return "The relay has the SDP: viewers need no file.";
      case "warning":
        return `Warning: ${event.message}`;
      case "stats": {
        const again = (resent: number): string => (resent > 0 ? ` (${resent} again)` : "");
        const parts = event.tracks.map(({ codec, packets, resent }) => `${codec}: ${packets} packets${again(resent)}`);
        const errors = event.sendErrors > 0 ? [`${event.sendErrors} not sent`] : [];
        output.live([`${(event.positionMs / 1000).toFixed(0)} s`, ...parts, ...errors].join("  "));
        return undefined;
      }
      case "ended":
        return "Ended.";
    }
  };
}
