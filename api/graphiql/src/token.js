// Where the bearer token comes from and where it is kept.
//
// It is kept in sessionStorage: it survives a reload, belongs to one tab, and is gone when the tab is
// closed. localStorage would outlive the token; a cookie would be sent without being asked for.

const KEY = "milepost.token";

/** Storage can be forbidden (private windows, policies); the page then works until it is reloaded. */
function storage(use) {
  try {
    return use(window.sessionStorage);
  } catch {
    return null;
  }
}

/**
 * What people paste is often more than the token: a whole header, quotes, or the line breaks of a
 * terminal. A token has no white space, so all of it can go.
 */
export function tidy(text) {
  return text
    .replace(/^\s*["']?\s*(authorization\s*:)?\s*(bearer\s)?/i, "")
    .replace(/["'\s]+/g, "");
}

/**
 * Takes the token out of `#token=…`, which is how `milepost dev` links here. A fragment never leaves
 * the browser, so no server log sees it; removing it keeps it out of screenshots, bookmarks and history.
 */
export function takeFromAddress() {
  const fragment = new URLSearchParams(window.location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return null;
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return keep(tidy(token));
}

export function kept() {
  return storage((store) => store.getItem(KEY)) ?? "";
}

export function keep(token) {
  storage((store) => (token ? store.setItem(KEY, token) : store.removeItem(KEY)));
  return token;
}

/**
 * The moment the token says it ends, or null. It is read only to explain a refusal and never to
 * decide anything: the clock that counts is the server's.
 */
export function expiry(token) {
  try {
    const claims = token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const { exp } = JSON.parse(window.atob(claims));
    return Number.isFinite(exp) ? new Date(exp * 1000) : null;
  } catch {
    return null;
  }
}
