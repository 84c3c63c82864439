// stream_base.mjs URL: an application below a base path; its pages connect, and get fresh ids.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { UNREACHED } from "./stream.mjs";

const open = (page) => page.waitForFunction(() => window.recorded?.live.state.phase === "open");
const numbers = async (page) => {
  await page.evaluate(() => recorded.live.send("said"));
  await page.waitForFunction(() => recorded.numbers.length === 5);
  assert.deepEqual(await page.evaluate(() => recorded.numbers), [1, 2, 3, 4, 5]);
};

await browse(async (visitor, url) => {
  const asked = [];
  const record = (page) => {
    page.on("request", (request) => asked.push(request.url()));
    page.on("websocket", (socket) => asked.push(socket.url().replace("ws", "http")));
    return page;
  };
  const page = record(await visitor());
  await page.goto(`${url}open`);
  await open(page);
  await numbers(page);

  // The id of this one is refused: it asks for another, and goes on.
  const stale = record(await visitor(...UNREACHED));
  await stale.goto(`${url}stale`);
  await open(stale);
  await numbers(stale);

  const fresh = asked.filter((asked) => asked === `${url}ws-server/page`);
  assert.equal(fresh.length, 1);
  const outside = asked.filter((asked) => !asked.startsWith(url) && !asked.endsWith("/favicon.ico"));
  assert.deepEqual(outside, []);
});
