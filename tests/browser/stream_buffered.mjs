// stream_buffered.mjs URL: a proxy blocks WebSockets and keeps responses until their end. The page is
// told, and loses nothing once the proxy passes responses on.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { blockingProxy, openOver } from "./blocking.mjs";
import { UNREACHED } from "./stream.mjs";

await browse(async (open, direct) => {
  const proxy = await blockingProxy(new URL(direct).port);
  const page = await open(...UNREACHED, "net::ERR_");
  await page.goto(`${proxy.url}open?deadline=1000&heartbeat=1500`);
  await openOver(page, "http");
  proxy.buffers = true;
  proxy.cut();
  await page.waitForFunction(() => recorded.buffered === 1);
  await page.evaluate(() => ["a", "b", "c"].forEach((text) => recorded.live.send(text)));
  // Meanwhile the page tries WebSockets again.
  await page.waitForFunction(() => recorded.buffered >= 2);
  proxy.buffers = false;
  await openOver(page, "http");
  await page.waitForFunction(() => recorded.numbers.length >= 15);
  const { numbers, resets } = await page.evaluate(() => {
    const { numbers, resets } = recorded;
    return { numbers, resets };
  });
  assert.deepEqual(numbers, Array.from({ length: 15 }, (_, index) => index + 1));
  assert.deepEqual(resets, []);
  assert.deepEqual(await (await fetch(`${direct}received`)).json(), ["a", "b", "c"]);
});
