// stream_restart.mjs PROGRAM: the server is killed in mid-stream, and a new one starts on its port.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import {
  added, checkCount, enter, log, LOST, notes, phase, push, recordCount, start, UNREACHED, withStream,
} from "./stream.mjs";

await browse(async (open, program) => {
  const server = await start(program);
  const page = await open(...UNREACHED);
  await enter(page, server.url);
  await added(page, "milk");
  await recordCount(page);
  await checkCount(page, 2);
  const before = await withStream(page, (live) => live.page);

  await server.kill();
  await phase(page, "waiting");
  await page.locator("#again", { hasText: /^· again in \d+ s$/ }).waitFor();
  await page.evaluate(() => (counts.length = 0));
  await start(program, server.port);
  await phase(page, "open");
  await page.locator("#log li", { hasText: LOST }).waitFor();
  // The new server knows neither the session nor the page, so it has issued new ones.
  assert.notEqual(await withStream(page, (live) => live.page), before);
  await page.locator("#notes:empty").waitFor();

  // Everything works again.
  await checkCount(page, 2);
  await added(page, "bread");
  assert.deepEqual(await notes(page), ["bread"]);
  await push(page, "This session", "back", /^reached 1 page$/);
  await page.locator("#log li").nth(1).waitFor();
  assert.deepEqual(await log(page), [LOST, "pushed to this session: back"]);
});
