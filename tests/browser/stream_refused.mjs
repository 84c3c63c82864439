// stream_refused.mjs URL: a browser hides the reason of a refused handshake; the client finds it.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { UNREACHED } from "./stream.mjs";

await browse(async (open, url) => {
  const page = await open(...UNREACHED);
  await page.goto(`${url}refused`);
  await page.waitForFunction(() => window.recorded?.live.state.final);
  const state = await page.evaluate(() => recorded.live.state);
  const { reason } = state;
  assert.deepEqual(state, { phase: "closed", status: 403, reason, final: true });
  assert.match(reason, /requires a page of this site: its page id was not issued to its session/);
});
