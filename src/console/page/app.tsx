import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Problem } from "../model/problem.ts";
import { ConsoleProvider } from "./console-context.ts";
import { Frame } from "./frame.tsx";
import { Overview } from "./overview.tsx";
import { useRoute } from "./route.ts";
import { useSession } from "./session.ts";
import { SignIn } from "./sign-in.tsx";
import { StreamView } from "./stream-view.tsx";
import { forgetToken, keepToken, takeToken } from "./token.ts";

/** The whole console. */
export function App(): VNode {
  const [token, setToken] = useState(takeToken);
  const [problem, setProblem] = useState<Problem>();

  function signIn(given: string): void {
    keepToken(given);
    setProblem(undefined);
    setToken(given);
  }

  function signOut(why?: Problem): void {
    forgetToken();
    setProblem(why);
    setToken(undefined);
  }

  useEffect(() => {
    const look = (): void => {
      if (location.hash.includes("token=")) setToken(takeToken());
    };
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }, []);

  return token === undefined ? (
    <SignIn problem={problem} onToken={signIn} />
  ) : (
    <SignedIn key={token} token={token} signOut={signOut} />
  );
}

function SignedIn({ token, signOut }: { readonly token: string; readonly signOut: (why?: Problem) => void }): VNode {
  const session = useSession(token, signOut);
  const route = useRoute();
  const [said, setSaid] = useState("");
  const say = (message: string): void => {
    // The same sentence twice is said twice.
    setSaid("");
    setTimeout(() => setSaid(message), 50);
  };
  return (
    <ConsoleProvider.Provider value={{ ...session, say, signOut: () => signOut() }}>
      <Frame said={said}>
        {route.view === "overview" ? <Overview /> : <StreamView key={route.name} name={route.name} />}
      </Frame>
    </ConsoleProvider.Provider>
  );
}
