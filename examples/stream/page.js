// The script of the page. `stream()` connects to the URL in the tag in the page's head.
import { stream } from "/ws-server/client.js";

const UNAUTHORIZED = 4401;
const MAX_LOG_LINES = 200;
const find = (id) => document.getElementById(id);
const live = stream();

/** Adds a line to the log, as text: input is never HTML. */
function line(text, kind = "") {
  const item = document.createElement("li");
  item.textContent = text;
  item.className = kind;
  const log = find("log");
  log.append(item);
  while (log.childElementCount > MAX_LOG_LINES) log.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}

// The connection.

const LABELS = { connecting: "connecting", open: "connected", waiting: "waiting", offline: "offline" };

function closedText({ code, status, reason }) {
  const number = code ?? status;
  return ["closed", number && `(${number})`, reason].filter(Boolean).join(" ");
}

function showState(state) {
  const { phase, code, final } = state;
  find("state").dataset.phase = phase;
  const superseded = phase === "closed" && !final;
  find("state").firstElementChild.textContent = superseded
    ? "superseded: this page is open in another tab"
    : (LABELS[phase] ?? closedText(state));
  showWait();
  const over = phase === "closed" && final;
  find("over").hidden = !over;
  find("over").firstElementChild.textContent =
    code === UNAUTHORIZED ? "Your session has ended." : "The stream of this page has ended.";
}

/** The countdown is not part of the status: screen readers would read every second. */
function showWait() {
  const { phase, retryAt } = live.state;
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  find("again").textContent = phase === "waiting" ? `· again in ${seconds} s` : "";
}

live.addEventListener("state", ({ detail }) => showState(detail));
setInterval(showWait, 250);

// What the server pushes.

live.on("count", (seconds) => (find("count").textContent = seconds));
live.on("receipt", ({ to, text }) => line(`pushed to ${to === "everyone" ? to : `this ${to}`}: ${text}`));

// The page requests its state from the server when it loads, and again after each reset: when the
// server restarts, after a logon, or if the page was away for too long.

live.addEventListener("reset", ({ detail }) => {
  line(`Messages may be missing (${detail.why}): the state was reloaded.`, "lost");
  load();
});

function show({ user, notes }) {
  find("guest").hidden = user !== null;
  find("member").hidden = user === null;
  find("user").textContent = user ?? "";
  find("notes").replaceChildren(
    ...notes.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
  );
}

async function load() {
  try {
    show(await live.request({ type: "list" }, { timeout: 60_000 }));
  } catch (error) {
    // A reset calls `load` again, and `showState` reports the end of the stream.
    if (error.kind === "timeout") line("The server does not answer.", "lost");
  }
}

// The forms.

const REFUSED = {
  empty: () => "A note has at least one character.",
  too_long: ({ max }) => `A note has at most ${max} characters.`,
  too_many: ({ max }) => `A page has at most ${max} notes.`,
};
const FAILED = {
  timeout: "The server does not answer; the note may be added later.",
  reset: "The stream was restarted: check whether the note was added.",
  closed: "The stream has ended: the note was not added.",
};

find("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = find("note").value;
  try {
    show(await live.request({ type: "add", text }));
    if (find("note").value === text) find("note").value = "";
    find("refused").textContent = "";
  } catch ({ kind, error, message }) {
    find("refused").textContent = REFUSED[error?.type]?.(error) ?? FAILED[kind] ?? message;
  }
});

find("push").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target));
  // Not the id in the HTML: a duplicated tab gets a new one.
  body.set("page", live.page);
  try {
    const response = await fetch(event.submitter.formAction, { method: "POST", body });
    if (!response.ok) throw new Error((await response.text()).trim());
    const { reached } = await response.json();
    find("reached").textContent = `reached ${reached} ${reached === 1 ? "page" : "pages"}`;
  } catch ({ message }) {
    find("reached").textContent = message;
  }
});

showState(live.state);
load();
