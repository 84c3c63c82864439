// axum.mjs URL: two visitors see the notes of a board inside an application of axum.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";

const connected = (page) => page.getByRole("status").filter({ hasText: /^connected$/ }).waitFor();
const notes = (page) => page.locator("#notes li").allTextContents();
const note = (page, text) => page.locator("#notes li").filter({ hasText: text }).waitFor();
const text = (page) => page.getByRole("textbox", { name: "Note" });

async function enter(page, url) {
  await page.goto(url);
  await connected(page);
  return page;
}

await browse(async (open, url) => {
  const guest = await enter(await (await open.another())(), url);
  assert.equal(await text(guest).isVisible(), false);

  // The browser logs the response that refuses an empty note.
  const ada = await enter(await open("Failed to load resource"), url);
  await ada.getByRole("textbox", { name: "Name" }).fill("ada");
  await ada.getByRole("button", { name: "Log on" }).click();
  await ada.getByText("You are ada").waitFor();
  await connected(ada);

  // Over the stream of the page, and over HTTP: both arrive at every page.
  await text(ada).fill("<b>first</b>");
  await ada.getByRole("button", { name: "Add", exact: true }).click();
  for (const page of [ada, guest]) await note(page, "<b>first</b>");
  await text(ada).fill("second");
  await ada.getByRole("button", { name: "Add over HTTP" }).click();
  for (const page of [ada, guest]) await note(page, "second");
  const expected = ["ada <b>first</b>", "ada second"];
  for (const page of [ada, guest]) assert.deepEqual(await notes(page), expected);

  await ada.getByRole("button", { name: "Add over HTTP" }).click();
  await ada.getByText("a note has at least one character").waitFor();

  // A page that is rendered later contains the notes, and gets later ones.
  const later = await enter(await open(), url);
  assert.deepEqual(await notes(later), expected);
  await text(later).fill("third");
  await later.getByRole("button", { name: "Add", exact: true }).click();
  for (const page of [ada, guest, later]) await note(page, "third");

  // A logoff ends the connections of the other tab.
  await later.getByRole("button", { name: "Log off" }).click();
  await later.getByRole("button", { name: "Log on" }).waitFor();
  await ada.getByRole("status").filter({ hasText: "closed 4401" }).waitFor();
});
