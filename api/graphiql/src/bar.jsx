// The slim bar: the name, the token, and who it makes you.

import { useEffect, useState } from "react";
import { useSession } from "./session.jsx";
import { tidy } from "./token.js";

export const NO_TOKEN = "no token: run `milepost token` or use the link that `milepost dev` prints";

function status({ state, viewer, reason }) {
  switch (state) {
    case "none":
      return NO_TOKEN;
    case "checking":
      return "checking the token …";
    case "signed-in":
      return `signed in as ${viewer.role} of workspace ${viewer.workspaceId}`;
    default:
      return reason;
  }
}

export function Bar() {
  const session = useSession();
  const [text, setText] = useState(session.token);

  // The token can change from outside, by a new link; the field then shows what is in use.
  useEffect(() => setText(session.token), [session.token]);

  const use = (candidate) => {
    setText(tidy(candidate));
    session.use(candidate);
  };

  return (
    <header className="bar">
      <h1>
        <Milestone /> Milepost
      </h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          use(text);
        }}
      >
        <label htmlFor="token">Bearer token</label>
        <input
          id="token"
          type="password"
          // Not a password of this site: browsers should neither offer to save it nor fill one in.
          autoComplete="off"
          data-1p-ignore=""
          data-lpignore="true"
          spellCheck={false}
          placeholder="paste a token"
          aria-describedby="status"
          value={text}
          onChange={(event) => setText(event.target.value)}
          // A paste is a whole token, so it is used at once. Typing waits for Enter: a token half
          // typed would only be refused.
          onPaste={(event) => {
            event.preventDefault();
            use(event.clipboardData.getData("text"));
          }}
        />
        <button type="submit">Use</button>
        {session.token && (
          <button type="button" onClick={() => use("")}>
            Forget
          </button>
        )}
      </form>
      <p
        id="status"
        role="status"
        className={`status ${session.state}`}
        title={session.viewer ? `actor ${session.viewer.actorId}` : undefined}
      >
        <Marked text={status(session)} />
      </p>
    </header>
  );
}

/** Shows what stands between back quotes as code. */
export function Marked({ text }) {
  return text.split("`").map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part));
}

function Milestone() {
  return (
    <svg viewBox="0 0 32 32" width="18" height="18" aria-hidden="true">
      <rect x="9" y="3" width="14" height="26" rx="7" fill="#1f6f8b" />
      <path d="M9 20h14v6H9z" fill="#f2b84b" />
    </svg>
  );
}
