// The page: the bar on top, GraphiQL below.

import { GraphiQL } from "graphiql";
import { useCallback, useEffect, useRef } from "react";
import { createRoot } from "react-dom/client";
import "graphiql/style.css";
import "./style.css";
import { Bar } from "./bar.jsx";
import { DOCUMENTATION } from "./documentation.jsx";
import { examples } from "./examples.js";
import { isUnauthenticated, send } from "./server.js";
import { SessionProvider, useSession } from "./session.jsx";

// GraphiQL uses these only in a browser that has no tabs stored yet. Made once, as it compares identities.
const EXAMPLES = examples();

const NEW_TAB = "# A new operation. Ctrl+Space offers what may stand where the cursor is.\n\n";

function Editor() {
  const { token, state, use } = useSession();
  const main = useRef(null);

  const fetcher = useCallback(
    async (operation) => {
      const response = await send(operation, token);
      // A token can expire while the page is open. Checking it again makes the bar say so.
      if (state === "signed-in" && isUnauthenticated(response)) use(token);
      return response;
    },
    [token, state, use],
  );

  useHelpInSight(main, state);

  return (
    <main ref={main}>
      <GraphiQL
        fetcher={fetcher}
        // `null` means "do not ask": without a token that is known to be good, asking would only fill
        // the console with refusals. `undefined` makes GraphiQL ask, and ask anew for each new token.
        schema={state === "signed-in" ? undefined : null}
        referencePlugin={DOCUMENTATION}
        defaultTabs={EXAMPLES}
        defaultQuery={NEW_TAB}
        // The examples that change something need their variables in sight.
        defaultEditorToolsVisibility="variables"
        // The bar is the one place for the token. GraphiQL would keep a header that somebody typed
        // in its history, which is in localStorage.
        isHeadersEditorEnabled={false}
        shouldPersistHeaders={false}
      >
        <GraphiQL.Logo>
          Graph<em>i</em>QL
        </GraphiQL.Logo>
      </GraphiQL>
    </main>
  );
}

/**
 * Opens the documentation pane for a visitor without a token, since it says what to do. GraphiQL can
 * be told which pane is visible at the start, but lays it out off the screen then, so its button is pressed.
 */
function useHelpInSight(main, state) {
  const withoutTokenAtStart = useRef(state === "none");
  useEffect(() => {
    if (!withoutTokenAtStart.current) return undefined;
    const frame = window.requestAnimationFrame(() => {
      main.current?.querySelector(`button[aria-label="Show ${DOCUMENTATION.title}"]`)?.click();
    });
    return () => window.cancelAnimationFrame(frame);
  }, [main]);
}

createRoot(document.getElementById("page")).render(
  <SessionProvider>
    <Bar />
    <Editor />
  </SessionProvider>,
);
