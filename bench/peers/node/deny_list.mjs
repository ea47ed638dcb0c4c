// Express with jsonwebtoken (RS256) and a deny-list in Redis: `node deny_list.mjs written|tuned REDIS_PORT REVOCATIONS`.
// `written` is what the documentation of each shows. `tuned` makes the key object once and leaves out what Express adds
// to an answer.
import { createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto";
import express from "express";
import jwt from "jsonwebtoken";
import { createClient } from "redis";
import { CLIENTS, listening, ready } from "./peer.mjs";

const [how, redisPort, revocations] = process.argv.slice(2);
const tuned = how === "tuned";
const [issuer, audience] = ["https://issuer.example", "api"];

const redis = createClient({ socket: { host: "127.0.0.1", port: Number(redisPort) } });
redis.on("error", (error) => console.error(error));
await redis.connect();
// Both ways share one list, which who comes first writes. The client sends in one piece what is asked for at once.
for (let left = Number(revocations) - (await redis.dbSize()); left > 0; left -= 10_000) {
  const some = Array.from({ length: Math.min(left, 10_000) }, () =>
    redis.set(`denied:${randomUUID()}`, "1", { expiration: { type: "EX", value: 900 } }),
  );
  await Promise.all(some);
}

const { privateKey, publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2048,
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
const key = tuned ? createPublicKey(publicKey) : publicKey;

const app = express();
if (tuned) {
  app.disable("x-powered-by");
  app.disable("etag");
}

async function signedIn(request, response, next) {
  const [kind, token] = (request.headers.authorization ?? "").split(" ");
  if (kind !== "Bearer" || !token) {
    return response.status(401).json({ error: "no token" });
  }
  let claims;
  try {
    claims = jwt.verify(token, key, { algorithms: ["RS256"], issuer, audience });
  } catch {
    return response.status(401).json({ error: "bad token" });
  }
  if (await redis.exists(`denied:${claims.jti}`)) {
    return response.status(401).json({ error: "revoked" });
  }
  request.user = claims;
  next();
}

app.get("/hello", signedIn, (_request, response) => {
  response.json({ hello: "world" });
});

const values = Array.from({ length: CLIENTS }, () => {
  const about = { algorithm: "RS256", expiresIn: 3600, issuer, audience, subject: randomUUID(), jwtid: randomUUID() };
  return `Bearer ${jwt.sign({ sid: randomUUID(), roles: ["author"] }, privateKey, about)}`;
});
ready(await listening(app), values);
