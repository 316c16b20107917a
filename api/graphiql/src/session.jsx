// Who is signed in. One context, because the bar, the fetcher and the schema explorer all depend on it.

import { createContext, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { whoAmI } from "./server.js";
import { keep, kept, takeFromAddress, tidy } from "./token.js";

// Taken before anything is drawn, so the token stands in the address bar as briefly as possible.
const tokenAtStart = takeFromAddress() ?? kept();

const SessionContext = createContext(null);

export const useSession = () => useContext(SessionContext);

export function SessionProvider({ children }) {
  // `attempt` lets the same token be checked again, for instance after the server was restarted.
  const [asked, setAsked] = useState({ token: tokenAtStart, attempt: 0 });
  const [answer, setAnswer] = useState({ asked: null, viewer: null, reason: null });

  const use = useCallback((text) => {
    const token = keep(tidy(text));
    setAsked(({ attempt }) => ({ token, attempt: attempt + 1 }));
  }, []);

  useEffect(() => {
    if (!asked.token) return undefined;
    const abort = new AbortController();
    whoAmI(asked.token, abort.signal).then((result) => {
      if (!abort.signal.aborted) setAnswer({ asked, ...result });
    });
    return () => abort.abort();
  }, [asked]);

  // A second link from the terminal, opened in the tab that is already here, changes only the fragment.
  useEffect(() => {
    const onHashChange = () => {
      const token = takeFromAddress();
      if (token !== null) use(token);
    };
    window.addEventListener("hashchange", onHashChange);
    return () => window.removeEventListener("hashchange", onHashChange);
  }, [use]);

  // An answer to an earlier question says nothing about the token of now.
  const current = answer.asked === asked ? answer : null;
  const state = !asked.token ? "none" : !current ? "checking" : current.viewer ? "signed-in" : "refused";

  const value = useMemo(
    () => ({
      token: asked.token,
      state,
      viewer: current?.viewer ?? null,
      reason: current?.reason ?? null,
      use,
    }),
    [asked, state, current, use],
  );

  return <SessionContext.Provider value={value}>{children}</SessionContext.Provider>;
}
