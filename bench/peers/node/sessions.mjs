// Express with express-session, its sessions in Redis by connect-redis: `node sessions.mjs REDIS_PORT`.
import { randomUUID } from "node:crypto";
import { RedisStore } from "connect-redis";
import express from "express";
import session from "express-session";
import { createClient } from "redis";
import { CLIENTS, listening, ready } from "./peer.mjs";

const redis = createClient({ socket: { host: "127.0.0.1", port: Number(process.argv[2]) } });
redis.on("error", (error) => console.error(error));
await redis.connect();

const app = express();
const store = new RedisStore({ client: redis, prefix: "session:" });
app.use(session({ store, secret: randomUUID(), resave: false, saveUninitialized: false }));

app.get("/sign-in", (request, response) => {
  request.session.user = { name: "alice", roles: ["author"], since: Date.now() };
  response.json({ signedIn: true });
});

app.get("/whoami", (request, response) => {
  const { user } = request.session;
  if (!user) {
    return response.status(401).json({ error: "not signed in" });
  }
  response.json(user);
});

const server = await listening(app);
const values = [];
for (let client = 0; client < CLIENTS; client += 1) {
  const answer = await fetch(`http://127.0.0.1:${server.address().port}/sign-in`);
  values.push(answer.headers.getSetCookie()[0].split(";")[0]);
}
ready(server, values);
