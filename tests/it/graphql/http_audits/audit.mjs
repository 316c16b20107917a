// Runs every audit of graphql-http against URL, signed in with TOKEN, and prints one line of JSON for each.
//
//   URL=http://127.0.0.1:8080/graphql TOKEN=… node audit.mjs

import { auditServer } from "graphql-http";

const { URL: url, TOKEN: token } = process.env;

const signedIn = (address, options = {}) =>
  fetch(address, { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } });

for (const result of await auditServer({ url, fetchFn: signedIn })) {
  const { id, name, status, reason } = result;
  console.log(JSON.stringify({ id, name, status, reason }));
}
