// better-auth's own check of a session, on SQLite by better-sqlite3: `node better_auth.mjs FILE`.
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import Database from "better-sqlite3";
import { CLIENTS, listening, ready } from "./peer.mjs";

const database = new Database(process.argv[2]);
database.pragma("journal_mode = WAL");
const auth = betterAuth({
  database,
  secret: randomUUID() + randomUUID(),
  baseURL: "http://localhost",
  // Hashes are cheap here as they are in the other programs: no sign-in is measured.
  emailAndPassword: {
    enabled: true,
    password: { hash: async (password) => password, verify: async ({ hash, password }) => hash === password },
  },
  // It would refuse the load.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});
await (await getMigrations(auth.options)).runMigrations();

const body = { name: "alice", email: "alice@example.org", password: randomUUID() };
await auth.api.signUpEmail({ body });
const values = [];
for (let client = 0; client < CLIENTS; client += 1) {
  const { headers } = await auth.api.signInEmail({ body, returnHeaders: true });
  const cookies = headers.getSetCookie().map((cookie) => cookie.split(";")[0]);
  values.push(cookies.join("; "));
}
ready(await listening(createServer(toNodeHandler(auth))), values);
