// stream_deflate.mjs URL: messages and pushes are compressed in both directions, also on the
// connection after a cut.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { proxy, UNREACHED } from "./stream.mjs";

const MESSAGES = 20;
const text = (index) => `${index}: ${"repeated text compresses well. ".repeat(40)}`;

await browse(async (open, direct) => {
  const { url, cut } = await proxy(new URL(direct).port);
  const page = await open(...UNREACHED);
  await page.addInitScript(() => {
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
      constructor(...args) {
        super(...args);
        sockets.push(this);
      }
    };
  });
  const isOpen = () => page.waitForFunction(() => window.recorded?.live.state.phase === "open");
  const exchange = async (texts, all) => {
    await page.evaluate((texts) => texts.forEach((text) => recorded.live.send(text)), texts);
    await page.waitForFunction((length) => recorded.echoed.length >= length, all);
  };
  const texts = Array.from({ length: MESSAGES }, (_, index) => text(index));
  await page.goto(`${url}deflated`);
  await isOpen();
  await exchange(texts.slice(0, MESSAGES / 2), MESSAGES / 2);
  cut();
  await page.waitForFunction(() => sockets.length > 1);
  await isOpen();
  await exchange(texts.slice(MESSAGES / 2), MESSAGES);
  const { echoed, extensions } = await page.evaluate(() => ({
    echoed: recorded.echoed,
    extensions: sockets.map(({ extensions }) => extensions),
  }));
  assert.deepEqual(echoed, texts);
  assert.ok(extensions.length >= 2);
  for (const negotiated of extensions.filter((negotiated) => negotiated !== "")) {
    assert.match(negotiated, /^permessage-deflate; .*server_no_context_takeover/);
  }
  assert.notEqual(extensions.at(-1), "");
  assert.deepEqual(await (await fetch(`${direct}received`)).json(), texts);
});
