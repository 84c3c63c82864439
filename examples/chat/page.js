// The script of a room's page. `stream()` connects to the URL in the tag in the page's head.
import { stream } from "/ws-server/client.js";

const UNAUTHORIZED = 4401;
const MAX_LINES = 200;
const MAX_ROOMS = 8;
const TYPING_EVERY = 1_500; // ms between two notices that this user is typing
const TYPING_SHOWN = 4_000; // ms for which a notice is shown
const { room, user } = document.body.dataset;
const find = (id) => document.getElementById(id);
const live = stream();

/** Creates an element with a text: input is never HTML. */
function element(tag, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text }, properties);
}

// The connection.

const LABELS = { connecting: "connecting", open: "connected", waiting: "reconnecting", offline: "offline" };

function showState({ phase, code, reason, final }) {
  find("state").dataset.phase = phase;
  find("state").textContent = LABELS[phase] ?? (final ? "closed" : "open in another tab");
  const over = phase === "closed" && final;
  for (const control of find("say").elements) control.disabled = over;
  find("over").hidden = !over;
  find("over").firstElementChild.textContent =
    code === UNAUTHORIZED ? "You have been logged off." : `${reason || "The connection has ended"}.`;
}

// The messages.

const SAY = {
  said: ({ name, text }) => [element("b", name), element("span", text)],
  removed: ({ name, by }) => [element("span", `${by} removed ${name}`)],
};

const log = find("log");
let isAtEnd = true; // then new messages scroll into view
const scroll = () => isAtEnd && (log.scrollTop = log.scrollHeight);
log.addEventListener("scroll", () => {
  isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
});
new ResizeObserver(scroll).observe(log); // a phone's keyboard opens, the window changes

function showLine(event) {
  const at = new Date(event.at);
  const time = element("time", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = at.toISOString();
  const line = element("li", "", { className: event.name === user ? `${event.type} mine` : event.type });
  line.append(...SAY[event.type](event), time);
  log.append(line);
  while (log.childElementCount > MAX_LINES) log.firstElementChild.remove();
  scroll();
}

function said(event) {
  showLine(event);
  setTyping(event.name, false);
  if (document.hidden && event.name !== user) setUnread(room, (unread.get(room) ?? 0) + 1);
}

function removed(event) {
  showLine(event);
  setTyping(event.name, false);
  // The server reports the member as left a little later, in case the page was only reloaded.
  if (members.delete(event.name)) showMembers();
}

// Who is typing.

const typists = new Map(); // name -> timer

function setTyping(name, isTyping) {
  clearTimeout(typists.get(name));
  typists.delete(name);
  if (isTyping) typists.set(name, setTimeout(() => setTyping(name, false), TYPING_SHOWN));
  const names = [...typists.keys()];
  const some = names.length > 3 ? `${names.length} people are` : `${names.join(", ")} ${names[1] ? "are" : "is"}`;
  find("typing").textContent = names.length ? `${some} typing …` : "";
}

// Who is here. The member who has been here longest moderates.

let members = new Map();
const rows = new Map(); // name -> list item: a row is kept, so that its button keeps the focus

function memberRow(name) {
  const row = element("li");
  const button = element("button", "×", { className: "plain", title: `Remove ${name}` });
  button.setAttribute("aria-label", `Remove ${name}`);
  button.addEventListener("click", () => remove(name));
  row.append(element("span", name), element("small", "moderates"), button);
  rows.set(name, row);
  return row;
}

function showMembers(count = members.size) {
  find("here").textContent = `${count} here`;
  const sorted = [...members].sort(([, a], [, b]) => a.since - b.since).map(([name]) => name);
  for (const name of rows.keys()) {
    if (members.has(name)) continue;
    rows.get(name).remove();
    rows.delete(name);
  }
  sorted.forEach((name, index) => {
    const row = rows.get(name) ?? memberRow(name);
    const here = find("members").children[index];
    if (here !== row) find("members").insertBefore(row, here ?? null);
    const [, moderates, button] = row.children;
    moderates.hidden = index > 0;
    button.hidden = sorted[0] !== user || name === user;
  });
}

function presence(event) {
  if (event.presence === "snapshot") {
    members = new Map(event.members);
    // The messages before the snapshot are the history: screen readers do not read it.
    log.setAttribute("aria-busy", "false");
  } else if (event.presence === "changes") {
    for (const [name, member] of [...event.entered, ...event.changed]) members.set(name, member);
    for (const name of event.left) members.delete(name);
    for (const name of event.left) setTyping(name, false);
  } else {
    members.clear(); // there are too many to list
  }
  showMembers(event.count);
}

async function remove(name) {
  if (confirm(`Remove ${name} from this room?`)) await ask({ type: "remove", name });
}

// The other rooms. Their new messages are events of this page.

const unread = new Map(); // room -> count
const STORED = `rooms of ${user}`; // several users may share a browser
let rooms = storedRooms();

/** The rooms that this user has opened in this browser. A damaged list counts as empty. */
function storedRooms() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORED));
    return stored.filter((name) => /^[a-z0-9-]+$/.test(name)).slice(-MAX_ROOMS);
  } catch {
    return [];
  }
}

function setUnread(name, count) {
  unread.set(name, count);
  showRooms();
}

function showRooms() {
  const links = rooms.map((name) => {
    const link = element("a", name, { href: `/?room=${name}` });
    if (name === room) link.setAttribute("aria-current", "page");
    const count = unread.get(name);
    if (count) link.append(" ", element("b", count), element("span", " new", { className: "spoken" }));
    const item = element("li");
    item.append(link);
    return item;
  });
  find("rooms").replaceChildren(...links);
  const all = [...unread.values()].reduce((sum, count) => sum + count, 0);
  document.title = `${all ? `(${all}) ` : ""}${room} · chat`;
}

/** Adds a room that the user has opened, here or in another page. */
function opened(name) {
  if (!rooms.includes(name)) rooms = [...rooms, name].slice(-MAX_ROOMS);
  localStorage.setItem(STORED, JSON.stringify(rooms));
  setUnread(name, 0);
  if (name !== room) follow(name);
}

function follow(name) {
  live.request({ type: "follow", room: name }).catch(() => {});
}

live.on("opened", opened);
live.addEventListener("push", ({ detail: { event, data } }) => {
  const [kind, name] = event.split("/");
  if (kind === "activity" && data !== user) setUnread(name, (unread.get(name) ?? 0) + 1);
});
document.addEventListener("visibilitychange", () => setUnread(room, 0));

// Everything else that arrives.

live.addEventListener("message", ({ detail }) => {
  const event = JSON.parse(detail);
  if (event.presence) presence(event);
  if (event.type === "said") said(event);
  if (event.type === "removed") removed(event);
  if (event.type === "typing" && event.name !== user) setTyping(event.name, true);
});

/** The server begins again with the history. */
live.addEventListener("reset", () => {
  log.setAttribute("aria-busy", "true");
  log.replaceChildren();
  start();
});

function start() {
  opened(room);
  for (const name of rooms) if (name !== room) follow(name);
}

// The form.

const REFUSED = {
  empty: () => "A message has at least one character.",
  too_long: ({ max }) => `A message has at most ${max} characters.`,
  not_moderator: () => "Only the moderator can remove others.",
  not_here: () => "This user is not here any more.",
};
const FAILED = {
  timeout: "The server does not answer; the message may be sent later.",
  reset: "The connection was restarted: check whether the message was sent.",
  closed: "The connection has ended: the message was not sent.",
};

/** Returns whether the server has done it; otherwise shows why not. */
async function ask(body) {
  try {
    await live.request(body);
    find("refused").textContent = "";
    return true;
  } catch ({ kind, error, message }) {
    find("refused").textContent = REFUSED[error?.type]?.(error) ?? FAILED[kind] ?? message;
    return false;
  }
}

find("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = find("text").value;
  if (text.trim() && (await ask({ type: "say", text })) && find("text").value === text) find("text").value = "";
});

let typedAt = 0;
find("text").addEventListener("input", () => {
  if (!find("text").value || live.state.phase !== "open" || Date.now() - typedAt < TYPING_EVERY) return;
  typedAt = Date.now();
  live.request({ type: "typing" }).catch(() => {});
});

live.addEventListener("state", ({ detail }) => showState(detail));
showState(live.state);
start();
