// secure.mjs URL: the page at URL and its socket use one HTTP/2 connection.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";

const script = async (open, url) => {
  const page = await open();
  const [socket] = await Promise.all([page.waitForEvent("websocket"), page.goto(url)]);
  assert.equal(new URL(socket.url()).protocol, "wss:");
  const protocol = "performance.getEntriesByType('navigation')[0].nextHopProtocol";
  assert.equal(await page.evaluate(protocol), "h2");

  const line = (text) => page.locator("#log li").getByText(text, { exact: true });
  await line("connected over HTTP/2").waitFor();
  await page.getByRole("textbox", { name: "Message" }).fill("hello");
  await page.getByRole("button", { name: "Send" }).click();
  await line("You said: hello").waitFor();

  const cookies = await page.context().cookies();
  const [session] = cookies.filter(({ name }) => name === "__Host-z_sid");
  assert.ok(session.secure && session.httpOnly);
};

// The certificate is made at the start of the example.
await browse(script, { insecure: true });
