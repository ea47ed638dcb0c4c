// An API server that verifies with jose and takes the Cache-Control of the key set at its word: it fetches
// the set again once max-age is over, and for no other reason, least of all an unknown key.
// Arguments: issuer and audience. Prints its port. POST /check with a token: 200, or 401 and a code.
// GET /figures: what it has seen.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { jose } from "./jose.mjs";

const [issuer, audience] = process.argv.slice(2);
const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
const uri = new URL(metadata.jwks_uri);
const maxAgeOf = (answer) => Number(/max-age=(\d+)/.exec(answer.headers.get("cache-control"))[1]);
const maxAge = maxAgeOf(await fetch(uri));

const figures = {
  max_age: maxAge,
  checks: 0,
  fetches: 0,
  // Fetches while the set at hand was younger than max-age.
  early: 0,
  // Sets without the key of the token that was last the first of its key.
  lacking: 0,
  most_keys: 0,
  // The shortest time from the first set with a key to the first token that it has signed.
  least_lead_ms: null,
  unknown_refused: 0,
};
const published = new Map();
const used = new Set();
let newest;
let arrived = -Infinity;

async function fetchKeys(url, options) {
  if (Date.now() < arrived + maxAge * 1000) figures.early += 1;
  const answer = await fetch(url, options);
  if (maxAgeOf(answer) !== maxAge) throw new Error("max-age has changed");
  const { keys } = await answer.clone().json();
  arrived = Date.now();
  figures.fetches += 1;
  figures.most_keys = Math.max(figures.most_keys, keys.length);
  for (const { kid } of keys) if (!published.has(kid)) published.set(kid, arrived);
  if (newest && !keys.some(({ kid }) => kid === newest)) figures.lacking += 1;
  return answer;
}

const keySet = jose.createRemoteJWKSet(uri, {
  cacheMaxAge: maxAge * 1000,
  cooldownDuration: Infinity,
  [jose.customFetch]: fetchKeys,
});

function note(token) {
  const { kid } = jose.decodeProtectedHeader(token);
  if (used.has(kid)) return;
  // The first token's key may have been in use before.
  if (used.size > 0) {
    const lead = published.has(kid) ? Date.now() - published.get(kid) : 0;
    figures.least_lead_ms = Math.min(figures.least_lead_ms ?? lead, lead);
  }
  used.add(kid);
  newest = kid;
}

async function check(token) {
  note(token);
  figures.checks += 1;
  await jose.jwtVerify(token, keySet, { issuer, audience, typ: "at+jwt", algorithms: ["ES256"] });
}

await keySet.reload();
for (let round = 0; round < 100; round += 1) {
  await keySet({ alg: "ES256", kid: "unknown" }).catch((error) => {
    if (error.code === "ERR_JWKS_NO_MATCHING_KEY") figures.unknown_refused += 1;
  });
}

const server = createServer(async (request, response) => {
  if (request.url === "/figures") return response.end(JSON.stringify(figures));
  try {
    await check(await text(request));
    response.end();
  } catch (error) {
    response.writeHead(401).end(error.code ?? String(error));
  }
});
server.keepAliveTimeout = 0;
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
