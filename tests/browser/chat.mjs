// chat.mjs URL [DIRECTORY]: two visitors in the rooms at URL: they see each other, write, get badges,
// one removes the other, and a third logs on in the same browser. With DIRECTORY, it takes
// screenshots on the way.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";

const connected = (page) => page.getByRole("status").filter({ hasText: /^connected$/ }).waitFor();
const members = (page) => page.locator("#members li > span").allTextContents();
const rooms = (page) => page.locator("#rooms a").allTextContents();
const message = (page) => page.getByRole("textbox", { name: "Message" });
const line = (page, text) => page.locator("#log li > span").getByText(text, { exact: true });
const badge = (page, room) => page.locator("#rooms a", { hasText: room }).locator("b");

/** Waits until the page lists exactly these members, in this order. */
const here = (page, ...names) =>
  page.waitForFunction(
    (names) =>
      names === [...document.querySelectorAll("#members li > span")].map((row) => row.textContent).join(),
    names.join(),
  );

async function logOn(page, url, name) {
  await page.goto(url);
  await page.getByRole("textbox", { name: "Name" }).fill(name);
  await page.getByRole("button", { name: "Log on" }).click();
  await connected(page);
  return page;
}

async function say(page, text) {
  await message(page).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

await browse(async (open, url, directory) => {
  const screenshot = async (page, name, width, height, colorScheme = "light") => {
    if (!directory) return;
    const before = page.viewportSize();
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${directory}/${name}.png` });
    await page.setViewportSize(before);
    await page.emulateMedia({ colorScheme: null });
  };
  const other = await open.another();
  const ada = await open();
  await ada.goto(url);
  await screenshot(ada, "logon", 360, 640);
  // A damaged list of rooms does not stop the page.
  await ada.evaluate(() => localStorage.setItem("rooms of ada", "{damaged"));
  await logOn(ada, url, "ada");
  await here(ada, "ada");
  for (let number = 1; number <= 55; number++) await say(ada, `message ${number}`);
  await line(ada, "message 55").waitFor();

  // The second visitor gets the last fifty messages, and both see each other.
  const bob = await logOn(await other("410"), url, "bob");
  await line(bob, "message 55").waitFor();
  const replayed = await bob.locator("#log li.said > span").allTextContents();
  assert.deepEqual(replayed, Array.from({ length: 50 }, (_, index) => `message ${index + 6}`));
  for (const page of [ada, bob]) await here(page, "ada", "bob");

  // Typing, and a message with markup.
  await message(bob).pressSequentially("<i>what");
  await ada.getByText("bob is typing …").waitFor();
  assert.equal(await bob.locator("#typing").textContent(), "");
  await say(bob, "<i>what I say</i>");
  for (const page of [ada, bob]) await line(page, "<i>what I say</i>").waitFor();
  await ada.locator("#typing:empty").waitFor({ state: "attached" });
  assert.equal(await message(bob).inputValue(), "");

  // A second tab of a user is the same member; one in another room gets a badge.
  const second = await other("410");
  await second.goto(url);
  await connected(second);
  await here(second, "ada", "bob");
  const elsewhere = await other();
  await elsewhere.goto(`${url}?room=tea`);
  await connected(elsewhere);
  await here(elsewhere, "bob");
  await say(ada, "one");
  await badge(elsewhere, "lobby").getByText("1", { exact: true }).waitFor();
  await say(ada, "two");
  await badge(elsewhere, "lobby").getByText("2", { exact: true }).waitFor();
  assert.equal(await elsewhere.title(), "(2) tea · chat");
  for (const page of [ada, bob]) {
    await line(page, "two").waitFor();
    assert.deepEqual(await members(page), ["ada", "bob"]);
    assert.equal(await badge(page, "lobby").count(), 0);
  }
  await screenshot(elsewhere, "badge", 360, 640);
  await screenshot(ada, "phone", 360, 640);
  await screenshot(ada, "phone-dark", 360, 640, "dark");
  await screenshot(ada, "wide-dark", 1000, 700, "dark");

  // Opening the room in any page clears its badge in all others.
  await second.reload();
  await connected(second);
  await badge(elsewhere, "lobby").waitFor({ state: "detached" });

  // Only the moderator can remove others. All tabs in the room close, for good.
  assert.equal(await bob.getByRole("button", { name: "Remove" }).count(), 0);
  ada.on("dialog", (dialog) => dialog.accept());
  await ada.getByRole("button", { name: "Remove bob" }).click();
  const reason = "ada removed you from this room.";
  for (const page of [bob, second]) {
    await page.getByRole("alert").filter({ hasText: reason }).waitFor();
    assert.equal(await page.locator("#state").textContent(), "closed");
    assert.equal(await message(page).isDisabled(), true);
  }
  await line(ada, "ada removed bob").waitFor();
  await here(ada, "ada");
  await screenshot(bob, "removed", 360, 640, "dark");
  const sockets = [];
  bob.on("websocket", (socket) => sockets.push(socket.url()));
  await bob.getByRole("link", { name: "Reload the page" }).click();
  await bob.getByRole("alert").filter({ hasText: reason }).waitFor();
  assert.equal(sockets.length, 1);
  await connected(elsewhere);
  await say(elsewhere, "still here");
  await line(elsewhere, "still here").waitFor();

  // Another user of the browser does not get the list of rooms.
  assert.deepEqual(await rooms(elsewhere), ["lobby", "tea"]);
  await elsewhere.getByRole("button", { name: "Log off" }).click();
  await elsewhere.getByRole("textbox", { name: "Name" }).waitFor();
  await logOn(elsewhere, url, "carol");
  assert.deepEqual(await rooms(elsewhere), ["lobby"]);
});
