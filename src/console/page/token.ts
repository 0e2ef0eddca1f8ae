const place = "punchcast.token";

/**
 * The admin token: from the URL's fragment (`#token=…`), which is taken out of the address bar, else what this tab kept.
 * Never in a place that outlives the tab.
 */
export function takeToken(): string | undefined {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given !== null) {
    history.replaceState(null, "", `${location.pathname}${location.search}`);
    if (given !== "") keepToken(given);
  }
  return sessionStorage.getItem(place) ?? undefined;
}

/** Keeps the token until the tab is closed. */
export function keepToken(token: string): void {
  sessionStorage.setItem(place, token);
}

/** Forgets it. */
export function forgetToken(): void {
  sessionStorage.removeItem(place);
}
