// The script of the page. `stream()` connects to the URL in the tag in the page's head.
import { stream } from "/live/ws-server/client.js";

const MAX_NOTES = 50;
const find = (id) => document.getElementById(id);
const live = stream();

live.addEventListener("state", ({ detail }) => {
  const { phase, code } = detail;
  find("state").textContent = phase === "open" ? "connected" : [phase, code].filter(Boolean).join(" ");
});

/** Shows a note, as text: input is never HTML. */
function show({ user, text }) {
  const [who, what] = [document.createElement("b"), document.createElement("span")];
  [who.textContent, what.textContent] = [user, text];
  const item = document.createElement("li");
  item.append(who, " ", what);
  find("notes").append(item);
  while (find("notes").childElementCount > MAX_NOTES) find("notes").firstElementChild.remove();
}

live.on("note", show);

// After a restart of the server the page loads the notes again.
live.addEventListener("reset", async () => {
  const notes = await live.request({ type: "list" });
  find("notes").replaceChildren();
  notes.forEach(show);
});

const REFUSED = {
  guest: () => "Log on first.",
  empty: () => "A note has at least one character.",
  too_long: ({ max }) => `A note has at most ${max} characters.`,
};

find("add").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.elements.text;
  const text = input.value;
  try {
    await live.request({ type: "add", text });
    if (input.value === text) input.value = "";
    find("refused").textContent = "";
  } catch ({ error, message }) {
    find("refused").textContent = REFUSED[error?.type]?.(error) ?? message;
  }
});

find("post").addEventListener("click", async () => {
  const form = find("add");
  const response = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (response.ok) form.reset();
  find("refused").textContent = response.ok ? "" : (await response.text()).trim();
});
