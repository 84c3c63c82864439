// stream_http.mjs URL: 300 messages and the 1,500 pushes that follow them arrive once and in order,
// while the page switches between HTTP and WebSockets six times.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { blockingProxy, openOver } from "./blocking.mjs";
import { UNREACHED } from "./stream.mjs";

const [SWITCHES, EACH, PUSHES] = [6, 50, 5];
const range = (length, first) => Array.from({ length }, (_, index) => first + index);

await browse(async (open, direct) => {
  const proxy = await blockingProxy(new URL(direct).port);
  const page = await open(...UNREACHED, "net::ERR_");
  await page.goto(`${proxy.url}open?probeDelay=150`);
  await openOver(page, "http");
  // Sends messages all the time, also while the page switches.
  const send = (first) =>
    page.evaluate(
      async ([first, each]) => {
        for (let n = first; n < first + each; n += 1) {
          recorded.live.send(`${n}`);
          if (n % 3 === 0) await new Promise((done) => setTimeout(done, 4));
        }
      },
      [first, EACH],
    );
  for (const round of range(SWITCHES, 0)) {
    const sent = send(round * EACH);
    if (round % 2) {
      proxy.blocks = ["reset", "strip"][(round >> 1) % 2];
      proxy.cut();
      await openOver(page, "http");
    } else {
      proxy.blocks = undefined;
      await openOver(page, undefined);
    }
    await sent;
  }
  const [messages, pushes] = [SWITCHES * EACH, SWITCHES * EACH * PUSHES];
  await page.waitForFunction((length) => recorded.numbers.length >= length, pushes);
  const { numbers, resets } = await page.evaluate(() => {
    const { numbers, resets } = recorded;
    return { numbers, resets };
  });
  assert.deepEqual(numbers, range(pushes, 1));
  assert.deepEqual(resets, []);
  const received = await (await fetch(`${direct}received`)).json();
  assert.deepEqual(received, range(messages, 0).map(String));

  // A page that is closed for good takes leave over HTTP too.
  await openOver(page, "http");
  await page.evaluate(() => recorded.live.close());
  const pages = async () => (await fetch(`${direct}pages`)).text();
  while ((await pages()) !== "0") await new Promise((done) => setTimeout(done, 20));
});
