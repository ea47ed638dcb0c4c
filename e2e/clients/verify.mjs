// Verifies tokens with jose as an application does: from the metadata document, or with a shared secret.
// Standard input: {issuer, algorithm, secret?, tokens: [{token, audience}]}. Prints one line for each
// token: "accepted", or "refused" and the library's code.
import { text } from "node:stream/consumers";
import { jose } from "./jose.mjs";

const asked = JSON.parse(await text(process.stdin));
const { issuer, algorithm } = asked;

async function published() {
  const answer = await fetch(`${issuer}/.well-known/oauth-authorization-server`);
  const metadata = await answer.json();
  if (metadata.issuer !== issuer) throw new Error("the metadata is another issuer's");
  return jose.createRemoteJWKSet(new URL(metadata.jwks_uri));
}

const key = asked.secret ? jose.base64url.decode(asked.secret) : await published();
for (const { token, audience } of asked.tokens) {
  const expected = { issuer, audience, typ: "at+jwt", algorithms: [algorithm] };
  try {
    await jose.jwtVerify(token, key, expected);
    console.log("accepted");
  } catch (error) {
    console.log("refused", error.code);
  }
}
