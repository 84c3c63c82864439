// stream_returns.mjs URL: a page loses its connection for longer than the grace time of pages. It
// continues with a new epoch, shows each message once, and reports no reset.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { proxy, UNREACHED } from "./stream.mjs";

const ROUNDS = 3;

await browse(async (open, direct) => {
  const { url, cut } = await proxy(new URL(direct).port);
  const page = await open(...UNREACHED);
  let last = 0;
  const publish = async () => {
    const response = await fetch(`${direct}publish/${(last += 1)}`, { method: "POST" });
    assert.equal(response.status, 200);
  };
  const pages = async () => (await fetch(`${direct}pages`)).text();
  const shown = (count) =>
    page.waitForFunction((count) => window.recorded?.numbers.length >= count, count);
  const epoch = () => page.evaluate(() => recorded.live.epoch);

  await page.goto(`${url}reader`);
  await page.waitForFunction(() => window.recorded?.live.state.phase === "open");
  for (let round = 0; round < ROUNDS; round += 1) {
    await publish();
    await shown(last);
    const before = await epoch();
    await page.context().setOffline(true);
    cut();
    await publish();
    while ((await pages()) !== "0") await new Promise((done) => setTimeout(done, 50));
    await publish();
    await page.context().setOffline(false);
    await shown(last);
    assert.notEqual(await epoch(), before);
  }
  const { numbers, resets } = await page.evaluate(() => {
    const { numbers, resets } = recorded;
    return { numbers, resets };
  });
  assert.deepEqual(numbers, Array.from({ length: 3 * ROUNDS }, (_, index) => 1 + index));
  assert.deepEqual(resets, []);
});
