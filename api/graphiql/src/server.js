// Talking to the server: one POST per operation, and who the token is.

import { expiry } from "./token.js";

// The page lives at …/graphiql and the endpoint beside it, also behind a proxy that adds a prefix.
const ENDPOINT = new URL("graphql", document.baseURI);

/**
 * Sends one operation and returns the response as GraphQL shapes it. Whatever goes wrong on the way
 * comes back in that shape too, because that is the one thing the response pane shows legibly.
 */
export async function send(operation, token, signal) {
  const headers = {
    "content-type": "application/json",
    accept: "application/graphql-response+json, application/json;q=0.9",
  };
  if (token) headers.authorization = `Bearer ${token}`;

  let response;
  let text;
  try {
    response = await fetch(ENDPOINT, { method: "POST", headers, body: JSON.stringify(operation), signal });
    text = await response.text();
  } catch (error) {
    return failure(`no answer from ${ENDPOINT.pathname}: is milepost still running? (${error.message})`, "NO_ANSWER");
  }
  try {
    return JSON.parse(text);
  } catch {
    const status = `${response.status} ${response.statusText}`.trim();
    return failure(`${ENDPOINT.pathname} answered ${status} with something that is not JSON`, "NOT_JSON", {
      body: text.slice(0, 500),
    });
  }
}

function failure(message, code, more) {
  return { errors: [{ message, extensions: { code, ...more } }] };
}

export function isUnauthenticated(response) {
  return response?.errors?.some((error) => error.extensions?.code === "UNAUTHENTICATED") ?? false;
}

/** Asks the server who the token is; `reason` says in words why there is no viewer. */
export async function whoAmI(token, signal) {
  // A header can only carry visible ASCII; `fetch` would throw, and no token contains anything else.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    return { viewer: null, reason: "this is not a token: it has characters that no token has" };
  }
  const response = await send({ query: "{ viewer { actorId workspaceId role } }" }, token, signal);
  const viewer = response?.data?.viewer;
  if (viewer) return { viewer, reason: null };

  const message = response?.errors?.[0]?.message ?? "the answer has neither a viewer nor an error";
  if (!isUnauthenticated(response)) return { viewer: null, reason: message };

  const ends = expiry(token);
  if (ends && ends < new Date()) {
    return { viewer: null, reason: `the token expired on ${ends.toLocaleString()}: run \`milepost token\` for a new one` };
  }
  return { viewer: null, reason: `token refused: ${message}` };
}
