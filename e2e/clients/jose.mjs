// The library jose, from the folder that JOSE_DIR names.
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { webcrypto } from "node:crypto";

// Node 18 has it under this name only.
globalThis.crypto ??= webcrypto;

const within = createRequire(join(process.env.JOSE_DIR, "package.json"));
export const jose = await import(pathToFileURL(within.resolve("jose")).href);
