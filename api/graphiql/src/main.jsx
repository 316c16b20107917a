// The page: the bar on top, GraphiQL below.

import { GraphiQL } from "graphiql";
import { useEditorContext } from "@graphiql/react";
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

const NEW_TAB = "# A new operation. Ctrl+Space offers what may stand here.\n\n";

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
        <EditorOptions />
      </GraphiQL>
    </main>
  );
}

/** Sets what GraphiQL leaves unset: long lines wrap, and screen readers hear which editor they are in. */
function EditorOptions() {
  const { queryEditor, variableEditor, responseEditor } = useEditorContext({ nonNull: true });
  useEffect(() => {
    queryEditor?.setOption("lineWrapping", true);
    queryEditor?.setOption("screenReaderLabel", "Operations");
  }, [queryEditor]);
  useEffect(() => {
    variableEditor?.setOption("lineWrapping", true);
    variableEditor?.setOption("screenReaderLabel", "Variables");
  }, [variableEditor]);
  useEffect(() => {
    responseEditor?.setOption("screenReaderLabel", "Response");
  }, [responseEditor]);
  return null;
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
      // On a narrow screen the help would leave no room for anything else; the bar says the essence.
      if (window.innerWidth < 900) return;
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
