/** One event of a `text/event-stream`. */
export interface StreamedEvent {
  readonly event: string;
  readonly data: string;
}

/** An event of a relay is a few KiB; what grows beyond this is no relay's. */
const eventLengthMax = 4 << 20;

/**
 * Reads server-sent events (WHATWG HTML §9.2), as far as a relay sends them: with names, without ids.
 * @throws Error if one is longer than 4 MiB
 */
export async function* readEventStream(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<StreamedEvent> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true }).replaceAll("\r", "");
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    if (text.length > eventLengthMax) throw new Error("an event is too long for a relay's");
    for (const block of blocks) {
      const event = readBlock(block);
      if (event !== undefined) yield event;
    }
  }
}

/** `undefined` for what has no data, such as a comment. */
function readBlock(block: string): StreamedEvent | undefined {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const [field, value = ""] = line.split(/: ?(.*)/s, 2);
    if (field === "event") event = value;
    if (field === "data") data.push(value);
  }
  return data.length === 0 ? undefined : { event, data: data.join("\n") };
}
