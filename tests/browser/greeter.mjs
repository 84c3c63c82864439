// greeter.mjs URL PATH: the page at URL exchanges messages with the handler at PATH.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";

await browse(async (open, url, path) => {
  const page = await open();
  const [socket] = await Promise.all([page.waitForEvent("websocket"), page.goto(url)]);
  assert.equal(new URL(socket.url()).pathname, path);

  const connected = page.getByRole("status").filter({ hasText: /^connected$/ });
  const line = (text) => page.locator("#log li").getByText(text, { exact: true });
  await connected.waitFor();
  await line("Hello!").waitFor();

  await page.getByRole("textbox", { name: "Message" }).fill("<b>what</b> I say");
  await page.getByRole("button", { name: "Send" }).click();
  await line("You said: <b>what</b> I say").waitFor();
  await connected.waitFor();
});
