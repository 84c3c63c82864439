// stream_deflate.mjs URL: what a page and its handler say to each other over a connection that is
// compressed in both directions, also after it was cut.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { proxy, UNREACHED } from "./stream.mjs";

const MESSAGES = 20;
const text = (index) => `${index}: ${"what is said again and again is short. ".repeat(40)}`;

await browse(async (open, direct) => {
  const { url, cut } = await proxy(new URL(direct).port);
  const page = await open(...UNREACHED);
  await page.addInitScript(() => {
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
      constructor(...given) {
        super(...given);
        sockets.push(this);
      }
    };
  });
  const isOpen = () => page.waitForFunction(() => window.recorded?.live.state.phase === "open");
  const say = async (texts, all) => {
    await page.evaluate((texts) => texts.forEach((text) => recorded.live.send(text)), texts);
    await page.waitForFunction((length) => recorded.said.length >= length, all);
  };
  const texts = Array.from({ length: MESSAGES }, (_, index) => text(index));
  await page.goto(`${url}deflated`);
  await isOpen();
  await say(texts.slice(0, MESSAGES / 2), MESSAGES / 2);
  cut();
  await page.waitForFunction(() => sockets.length > 1);
  await isOpen();
  await say(texts.slice(MESSAGES / 2), MESSAGES);
  const { said, extensions } = await page.evaluate(() => ({
    said: recorded.said,
    extensions: sockets.map(({ extensions }) => extensions),
  }));
  assert.deepEqual(said, texts);
  assert.ok(extensions.length >= 2);
  for (const agreed of extensions.filter((agreed) => agreed !== "")) {
    assert.match(agreed, /^permessage-deflate; .*server_no_context_takeover/);
  }
  assert.notEqual(extensions.at(-1), "");
  assert.deepEqual(await (await fetch(`${direct}heard`)).json(), texts);
});
