// The script of the room's page. `stream()` connects to the URL in the tag in the page's head.
import { stream } from "/ws-server/client.js";

const MAX_LINES = 200;
const { user } = document.body.dataset;
const find = (id) => document.getElementById(id);
const live = stream();

/** Creates an element with a text: input is never HTML. */
function element(tag, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text }, properties);
}

/** The name of a server, in its colour. */
function badge(server) {
  const shown = element("small", server, { className: "server" });
  shown.dataset.server = server;
  return shown;
}

const LABELS = { connecting: "connecting", open: "connected", waiting: "reconnecting", offline: "offline" };

function showState({ phase, reason, final }) {
  find("state").dataset.phase = phase;
  find("state").textContent = LABELS[phase] ?? (final ? reason || "closed" : "open in another tab");
}

function showLine(text, from, server, properties) {
  const log = find("log");
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const line = element("li", "", properties);
  line.append(...(from ? [element("b", from), badge(server)] : []), element("span", text));
  log.append(line);
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
}

let server = "";

/** A handler on this server begins. */
live.on("server", (name) => {
  if (server && server !== name) showLine(`${server} is gone; the page continues on ${name}`, "", "", { className: "moved" });
  server = name;
  find("server").textContent = name;
  find("server").dataset.server = name;
});

live.on("said", ({ name, text, server: from }) => {
  showLine(text, name, from, { className: name === user ? "mine" : "" });
});

/** The server was killed: the next one begins again with the last messages. */
live.addEventListener("reset", () => find("log").replaceChildren());

// Who is here, and on which server.

const members = new Map();

live.addEventListener("message", ({ detail }) => {
  const event = JSON.parse(detail);
  if (event.presence === "snapshot") members.clear();
  if (event.presence === "count") members.clear();
  for (const list of ["members", "entered", "changed"]) {
    for (const [name, member] of event[list] ?? []) members.set(name, member);
  }
  for (const name of event.left ?? []) members.delete(name);
  find("here").textContent = `${event.count ?? members.size} here`;
  const rows = [...members].sort().map(([name, member]) => {
    const row = element("li", name);
    row.append(" ", badge(member.server));
    return row;
  });
  find("members").replaceChildren(...rows);
});

// The form.

const REFUSED = {
  empty: "A message has at least one character.",
  too_long: "A message has at most 500 characters.",
  unavailable: "Redis does not answer: check later whether the message was sent.",
};
const FAILED = {
  timeout: "The server does not answer; the message may be sent later.",
  reset: "The server is gone: check whether the message was sent.",
  closed: "The connection has ended: the message was not sent.",
};

find("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = find("text").value;
  if (!text.trim()) return;
  try {
    await live.request({ text });
    find("refused").textContent = "";
    if (find("text").value === text) find("text").value = "";
  } catch ({ kind, error, message }) {
    find("refused").textContent = REFUSED[error] ?? FAILED[kind] ?? message;
  }
});

live.addEventListener("state", ({ detail }) => showState(detail));
showState(live.state);
