// stream_cuts.mjs URL: 200 messages and the 1,000 pushes that follow them arrive once and in order,
// over a connection that is cut 20 times in mid-transfer.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { proxy, UNREACHED } from "./stream.mjs";

const [CUTS, MESSAGES, PUSHES] = [20, 200, 1_000];
const range = (length, first) => Array.from({ length }, (_, index) => first + index);

await browse(async (open, direct) => {
  const { url, cutAfter } = await proxy(new URL(direct).port);
  const page = await open(...UNREACHED);
  const isOpen = () => page.waitForFunction(() => window.recorded?.live.state.phase === "open");
  await page.goto(`${url}open`);
  await isOpen();
  for (const round of range(CUTS, 0)) {
    // Ten messages and fifty pushes are longer than this, so every round is cut.
    const cut = cutAfter(20 + (round * 397) % 1_900);
    const each = MESSAGES / CUTS;
    const numbers = range(each, round * each);
    await page.evaluate((numbers) => numbers.forEach((n) => recorded.live.send(`${n}`)), numbers);
    await cut;
    await page.waitForFunction(
      (cuts) => recorded.states.filter(({ phase }) => phase === "waiting").length >= cuts,
      round + 1,
    );
    if (round % 3) await isOpen();
  }
  await page.waitForFunction((length) => recorded.numbers.length >= length, PUSHES);
  await isOpen();
  const { numbers, resets, states } = await page.evaluate(() => {
    const { numbers, resets, states } = recorded;
    return { numbers, resets, states };
  });
  assert.deepEqual(numbers, range(PUSHES, 1));
  assert.deepEqual(resets, []);
  assert.ok(states.filter(({ phase }) => phase === "waiting").length >= CUTS);
  const received = await (await fetch(`${direct}received`)).json();
  assert.deepEqual(received, range(MESSAGES, 0).map(String));
});
