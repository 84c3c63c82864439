// mount.mjs URL: two visitors are in the room at URL; one of them logs on, writes, and logs off.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";

const connected = (page) => page.getByRole("status").filter({ hasText: /^connected$/ }).waitFor();
const line = (page, ...parts) => {
  const texts = parts.map((text) => page.getByText(text, { exact: true }));
  const lines = page.locator("#log li");
  return texts.reduce((found, has) => found.filter({ has }), lines).waitFor();
};
const message = (page) => page.getByRole("textbox", { name: "Message" });

async function enter(page, url) {
  await page.goto(url);
  await connected(page);
  return page;
}

async function logOn(page, name, password) {
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByRole("textbox", { name: "Password" }).fill(password);
  await page.getByRole("button", { name: "Log on" }).click();
}

await browse(async (open, url) => {
  const guest = await enter(await (await open.another())(), url);
  assert.equal(await message(guest).isDisabled(), true);

  const first = await enter(await open(), url);
  await line(guest, "a guest", "entered, 2 in the room");
  await logOn(first, "ada", "analytical");
  await first.getByText("The name or the password is wrong.").waitFor();
  await connected(first);
  assert.equal(await message(first).isDisabled(), true);

  await logOn(first, "ada", "analytical engine");
  await first.getByText("You are ada").waitFor();
  assert.equal(first.url(), url);
  await connected(first);
  await line(guest, "ada", "entered, 2 in the room");
  await message(first).fill("<b>what</b> I say");
  await first.getByRole("button", { name: "Send" }).click();
  for (const page of [first, guest]) await line(page, "ada", "<b>what</b> I say");

  // The second tab belongs to the same visitor.
  const second = await enter(await open(), url);
  await second.getByText("You are ada").waitFor();
  await first.getByRole("button", { name: "Log off" }).click();
  await first.getByRole("button", { name: "Log on" }).waitFor();
  await second.getByText("You have been logged off.").waitFor();
  assert.equal(await message(second).isDisabled(), true);
  assert.equal(await second.getByRole("button", { name: "Log off" }).isVisible(), false);
  await second.getByRole("link", { name: "Reload the page" }).click();
  await second.getByRole("button", { name: "Log on" }).waitFor();
  await connected(second);

  // The guest has seen all of it, and is still connected.
  await connected(guest);
});
