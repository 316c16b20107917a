// GraphiQL's schema explorer, with words where it would only say that something failed.

import { DocExplorer } from "@graphiql/plugin-doc-explorer";
import { DocsFilledIcon, DocsIcon, usePluginStore, useSchemaStore } from "@graphiql/react";
import { Marked } from "./bar.jsx";
import { useSession } from "./session.jsx";

function Content() {
  const session = useSession();
  const { fetchError } = useSchemaStore();

  if (session.state === "none") {
    return (
      <Help title="A token comes first">
        <p>The server shows its schema to those it knows. There are two ways to a token:</p>
        <p>
          <code>milepost dev</code> prints a link to this page when it is ready. The token is in the link: open it, and
          you are signed in.
        </p>
        <p>For a server that already runs, make a token where its settings are:</p>
        <pre>{"milepost token \\\n  --actor ID --workspace ID \\\n  --role admin --ttl 1h"}</pre>
        <p>Then paste it into the field “Bearer token” above. It stays in this browser tab only.</p>
      </Help>
    );
  }
  if (session.state === "refused") {
    return (
      <Help title="No schema yet">
        <p>
          The server could not be asked for its schema. <Marked text={`The reason: ${session.reason}.`} />
        </p>
        <p>The button “Use” in the bar above tries again; once the token is accepted, the schema appears here.</p>
      </Help>
    );
  }
  if (session.state === "signed-in" && fetchError) {
    return (
      <Help title="The schema could not be read">
        <p>The token is fine, but the server answered the question for its schema like this:</p>
        <pre>{fetchError}</pre>
        <p>“Re-fetch GraphQL schema”, at the bottom left, tries again.</p>
      </Help>
    );
  }
  return <DocExplorer />;
}

function Help({ title, children }) {
  return (
    <section className="help" aria-label="Documentation Explorer">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Icon(props) {
  const { visiblePlugin } = usePluginStore();
  return visiblePlugin === DOCUMENTATION ? <DocsFilledIcon {...props} /> : <DocsIcon {...props} />;
}

export const DOCUMENTATION = { title: "Documentation Explorer", icon: Icon, content: Content };
