// stream_base.mjs URL: an application below a base path. Its pages connect, and get fresh ids.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { UNREACHED } from "./stream.mjs";

const open = (page) => page.waitForFunction(() => window.recorded?.live.state.phase === "open");
const numbers = async (page) => {
  await page.evaluate(() => recorded.live.send("any text"));
  await page.waitForFunction(() => recorded.numbers.length === 5);
  assert.deepEqual(await page.evaluate(() => recorded.numbers), [1, 2, 3, 4, 5]);
};

await browse(async (visitor, url) => {
  const requested = [];
  const record = (page) => {
    page.on("request", (request) => requested.push(request.url()));
    page.on("websocket", (socket) => requested.push(socket.url().replace("ws", "http")));
    return page;
  };
  const page = record(await visitor());
  await page.goto(`${url}open`);
  await open(page);
  await numbers(page);

  // The server refuses the id of this page: the client requests a fresh one and continues.
  const stale = record(await visitor(...UNREACHED));
  await stale.goto(`${url}stale`);
  await open(stale);
  await numbers(stale);

  const fresh = requested.filter((target) => target === `${url}ws-server/page`);
  assert.equal(fresh.length, 1);
  const outside = requested.filter(
    (target) => !target.startsWith(url) && !target.endsWith("/favicon.ico"),
  );
  assert.deepEqual(outside, []);
});
