// My posts: a page that uses an API server of another origin and keeps no token anywhere.
//
// The page comes from the authority's origin. Its session is an HttpOnly cookie that goes only there and
// that no script can read. For the API server it asks for a short access token, which lives in a variable
// of this module: not in localStorage, not in a cookie, and gone with the tab. Every tab has its own.

const app = document.querySelector("#app");
const who = document.querySelector("#who");
const { api, audience, csrf } = app.dataset;
const [notice, list, empty, form, answered, expiry] =
  ["#notice", "#posts", "#empty", "#add", "#answered", "#expiry"].map((id) => app.querySelector(id));
const postTemplate = app.querySelector("#post");

const SPARE_MS = 30_000; // a token with less time left is replaced before it is used
const CSRF = "urn:rescind:problem:csrf";
const STALE = "urn:rescind:problem:stale";

/** The session is over: only a new sign-in helps. */
class SignedOut extends Error {}
/** The browser has another session by now than the one this page was made for. */
class OtherSession extends Error {}

// ---- The access token -------------------------------------------------------------------------------
let token = null; // { value, expiresAt } or null
let asking = null; // the request under way, so that callers share one

async function accessToken() {
  if (token && token.expiresAt - Date.now() > SPARE_MS) return token.value;
  asking ??= askForToken().finally(() => { asking = null; });
  return asking;
}

async function askForToken() {
  token = null;
  const askedAt = Date.now();
  const response = await reach("the sign-in server", "/session/token", {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-XSRF-TOKEN": csrf },
    body: JSON.stringify({ audience }),
  });
  if (response.status === 401) throw new SignedOut();
  if (!response.ok) {
    const problem = await problemOf(response);
    throw problem.type === CSRF ? new OtherSession() : new Error(failure("sign-in", response, problem));
  }
  const { access_token, expires_in } = await response.json();
  // Counted from before the request, so the page never believes in a token for longer than the server.
  token = { value: access_token, expiresAt: askedAt + expires_in * 1000 };
  showExpiry();
  return token.value;
}

// ---- Calls to the API server ------------------------------------------------------------------------
/** Calls the API server. Returns its good answer, or throws what `explain` can say. */
async function call(path, { headers, ...options } = {}) {
  for (let refused = false; ;) {
    const bearer = await accessToken();
    const startedAt = performance.now();
    const response = await reach("the posts server", api + path, {
      ...options,
      credentials: "omit", // no cookie ever goes to the API server
      headers: { ...headers, Authorization: `Bearer ${bearer}` },
    });
    const ms = Math.round(performance.now() - startedAt);
    answered.textContent = `${new URL(api).host} answered ${response.status} in ${ms} ms`;
    if (response.ok) {
      if (refused) say("The posts server refused the earlier token: it was revoked. A new one was accepted.");
      return response;
    }
    const problem = await problemOf(response);
    if (response.status === 401) {
      if (token?.value === bearer) token = null;
      if (refused) throw new SignedOut();
      refused = true;
      say("The posts server refused the token: it was revoked. Asking for a new one …");
    } else if (response.status === 503 && problem.type === STALE) {
      // Refused before any handler ran, so trying again is safe for every method.
      const seconds = Number.parseInt(response.headers.get("Retry-After"), 10) || 5;
      say(`The posts server cannot reach the sign-in server and refuses to guess; trying again in ${seconds} s.`);
      await pause(seconds);
      say("");
    } else {
      throw new Error(failure("posts", response, problem));
    }
  }
}

async function reach(who, address, options) {
  try {
    return await fetch(address, { cache: "no-store", redirect: "error", ...options });
  } catch {
    throw new Error(`Could not reach ${who}. Try again in a moment.`);
  }
}

/** The answer's problem document (RFC 9457), or an empty one. */
async function problemOf(response) {
  return (await response.json().catch(() => null)) ?? {};
}

function failure(server, { status }, { title, detail }) {
  const reason = detail ?? title ?? "no reason given";
  return `The ${server} server answered ${status}: ${reason.replace(/\.$/, "")}.`;
}

let wake = () => {};

/** Waits, but not longer than until somebody presses a button. */
function pause(seconds) {
  return new Promise((resolve) => {
    wake = resolve;
    setTimeout(resolve, seconds * 1000);
  });
}

// ---- What the page does -----------------------------------------------------------------------------
async function load() {
  const posts = await (await call("/posts")).json();
  list.replaceChildren(...posts.map(card));
  empty.hidden = posts.length > 0;
}

async function add() {
  const { title, body } = Object.fromEntries(new FormData(form));
  await call("/posts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ title, body }),
  });
  form.reset();
  await load();
}

let last = Promise.resolve();
const underWay = new Set();

/** Runs tasks one after another; one that is already waiting or running is not added again. */
function run(task) {
  wake();
  if (underWay.has(task)) return;
  underWay.add(task);
  last = last.then(async () => {
    app.ariaBusy = "true";
    say("");
    await task().catch(explain);
    app.ariaBusy = "false";
    underWay.delete(task);
  });
}

// ---- What the page says -----------------------------------------------------------------------------
/** Posts are text: never innerHTML. */
function card({ title, body }) {
  const item = postTemplate.content.cloneNode(true);
  item.querySelector("h3").textContent = title;
  item.querySelector("p").textContent = body;
  return item;
}

function explain(error) {
  const gone = error instanceof SignedOut || error instanceof OtherSession;
  if (!gone) return say(error.message, "bad");
  token = null;
  list.replaceChildren();
  empty.hidden = true;
  who.hidden = true; // whoever comes next need not be the same
  showExpiry();
  if (error instanceof SignedOut) {
    const typed = form.elements.title.value || form.elements.body.value;
    say("You were signed out: this session was ended on another device or by a sign-out. Nothing was lost. " +
      (typed ? "What you typed is still here to copy. " : ""), "bad", { href: "/signin?next=/demo", label: "Sign in again" });
  } else {
    say("You have signed in anew since this page was opened. ", "", { href: "/demo", label: "Open it afresh" });
  }
}

function say(text, tone = "", link = null) {
  const line = document.createElement("p");
  line.className = `notice ${tone}`;
  line.append(text);
  if (link) {
    const anchor = Object.assign(document.createElement("a"), { href: link.href, textContent: link.label });
    line.append(anchor);
  }
  notice.replaceChildren(...(text ? [line] : []));
}

function showExpiry() {
  const left = token ? Math.ceil((token.expiresAt - Date.now()) / 1000) : 0;
  const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  expiry.textContent = left > 0 ? `Token expires in ${clock}` : "No token";
}

app.querySelector("#reload").addEventListener("click", () => run(load));
form.addEventListener("submit", (event) => { event.preventDefault(); run(add); });
// A page that comes back from the browser's history shows what was true then: ask again.
addEventListener("pageshow", ({ persisted }) => { if (persisted) { list.replaceChildren(); run(load); } });
setInterval(showExpiry, 1000);
app.hidden = false;
run(load);
