import { useEffect, useState } from "preact/hooks";

/** Which view is shown; it stands in the URL's fragment, so that it can be gone back to and kept. */
export type Route = { readonly view: "overview" } | { readonly view: "stream"; readonly name: string };

/** The fragment of a stream's view. */
export function streamHref(name: string): string {
  return `#/streams/${encodeURIComponent(name)}`;
}

/** The view that the address bar names. */
export function useRoute(): Route {
  const [route, setRoute] = useState(readRoute);
  useEffect(() => {
    const look = (): void => setRoute(readRoute());
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);
  return route;
}

function readRoute(): Route {
  const name = /^#\/streams\/([^/]+)$/.exec(location.hash)?.[1];
  try {
    return name === undefined ? { view: "overview" } : { view: "stream", name: decodeURIComponent(name) };
  } catch {
    return { view: "overview" };
  }
}
