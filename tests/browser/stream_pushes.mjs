// stream_pushes.mjs PROGRAM: the receivers of pushes and their order, requests and their errors,
// and the effect of a logon and a logoff in one tab on another.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { added, enter, line, log, LOST, note, notes, phase, push, start, withStream } from "./stream.mjs";

await browse(async (open, program) => {
  const { url } = await start(program);
  const first = await open("403 (Forbidden)");
  await enter(first, url);

  // Ten pushes arrive in order.
  const texts = Array.from({ length: 10 }, (_, index) => `text ${index}`);
  for (const text of texts) await push(first, "This page", text, /^reached 1 page$/);
  await line(first, "pushed to this page: text 9");
  assert.deepEqual(await log(first), texts.map((text) => `pushed to this page: ${text}`));

  // Requests get answers, including typed errors.
  await added(first, "<b>milk</b>");
  await note(first, " ");
  await first.getByText("A note has at least one character.").waitFor();
  await note(first, "x".repeat(41));
  await first.getByText("A note has at most 40 characters.").waitFor();
  const error = await withStream(first, (live) =>
    live.request({ type: "add", text: "x".repeat(41) }).catch(({ kind, error }) => ({ kind, error })),
  );
  assert.deepEqual(error, { kind: "answer", error: { type: "too_long", max: 40 } });
  assert.deepEqual(await notes(first), ["<b>milk</b>"]);

  // Two tabs are two pages of one session; another visitor has a session of its own.
  const second = await open();
  await enter(second, url);
  const stranger = await (await open.another())();
  await enter(stranger, url);
  assert.deepEqual(await notes(second), []);
  await push(second, "This page", "a", /^reached 1 page$/);
  await push(first, "This session", "b", /^reached 2 pages$/);
  await push(first, "This user", "c", /^log on first$/);
  await push(first, "Everyone", "d", /^reached 3 pages$/);
  for (const page of [first, second, stranger]) await line(page, "pushed to everyone: d");
  const [a, b, d] = ["this page: a", "this session: b", "everyone: d"].map((to) => `pushed to ${to}`);
  assert.deepEqual((await log(first)).slice(texts.length), [b, d]);
  assert.deepEqual(await log(second), [a, b, d]);
  assert.deepEqual(await log(stranger), [d]);

  // After a logon in one tab, the other reconnects by itself and then belongs to the user.
  await first.getByRole("textbox", { name: "Name" }).fill("Ada <3");
  await first.getByRole("button", { name: "Log on" }).click();
  await first.locator("#user", { hasText: /^Ada <3$/ }).waitFor();
  await phase(first, "open");
  await second.locator("#user", { hasText: /^Ada <3$/ }).waitFor();
  await push(first, "This user", "e", /^reached 2 pages$/);
  await line(second, "pushed to this user: e");
  assert.deepEqual(await log(second), [a, b, d, LOST, "pushed to this user: e"]);

  // A logoff in one tab ends both streams; the tab with the logoff gets a new session.
  await first.getByRole("button", { name: "Log off" }).click();
  await first.getByRole("button", { name: "Log on" }).waitFor();
  await second.getByText("Your session has ended.").waitFor();
  const { code, final } = await withStream(second, (live) => live.state);
  assert.deepEqual({ code, final }, { code: 4401, final: true });
  await phase(first, "open");
  await push(first, "Everyone", "f", /^reached 2 pages$/);
  await line(stranger, "pushed to everyone: f");
  assert.deepEqual(await log(stranger), [d, "pushed to everyone: f"]);
});
