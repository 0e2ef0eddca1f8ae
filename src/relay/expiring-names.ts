/** Names that are remembered for a while, in bounded memory. */
export interface ExpiringNames {
  /** Remembers `name` until `until`, in ms of a monotonic clock. */
  add(name: string, until: number): void;
  has(name: string): boolean;
  /** Forgets those whose time is over. */
  tick(now: number): void;
}

/** At most `most` names; beyond that the one added longest ago is forgotten first. */
export function createExpiringNames(most: number): ExpiringNames {
  const names = new Map<string, number>();
  return {
    add(name, until) {
      names.delete(name);
      if (names.size >= most) names.delete(names.keys().next().value ?? "");
      names.set(name, until);
    },
    has: (name) => names.has(name),
    tick(now) {
      for (const [name, until] of names) if (until <= now) names.delete(name);
    },
  };
}
