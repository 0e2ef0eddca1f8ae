/** State for each of the few sources (SSRCs) that share a component. */
export interface SourceTable<T> {
  /** The source's state, made when it is heard for the first time. */
  get(ssrc: number): T;
  /** The same, without making it. */
  find(ssrc: number): T | undefined;
  /** All of them; the one heard last comes last. */
  entries(): Iterable<[number, T]>;
}

/**
 * An empty table; `onDrop` hears of the state that gives way.
 * @param sourcesMax sources at a time. Default 4: a track, its successor after a restart, and repair streams beside it. Few
 * enough that invented SSRCs cost neither memory nor time: the one not heard for longest gives way.
 */
export function createSourceTable<T>(
  make: (ssrc: number) => T,
  onDrop: (dropped: T) => void = () => {},
  sourcesMax = 4,
): SourceTable<T> {
  const sources = new Map<number, T>();
  let currentSsrc = -1;
  let current: T | undefined;

  return {
    get(ssrc) {
      if (ssrc === currentSsrc && current !== undefined) return current;
      current = sources.get(ssrc) ?? make(ssrc);
      currentSsrc = ssrc;
      // Put last in the map's order, so that the first is the one not heard for longest.
      sources.delete(ssrc);
      sources.set(ssrc, current);
      const [oldest] = sources;
      if (sources.size > sourcesMax && oldest !== undefined) {
        sources.delete(oldest[0]);
        onDrop(oldest[1]);
      }
      return current;
    },
    find: (ssrc) => sources.get(ssrc),
    entries: () => sources.entries(),
  };
}
