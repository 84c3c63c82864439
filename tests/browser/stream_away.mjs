// stream_away.mjs PROGRAM: a page goes into the browser's cache and back, and offline and online
// again. Each push of that time arrives once.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import {
  added, checkCount, enter, line, log, notes, phase, proxy, push, recordCount, start, UNREACHED,
  withStream,
} from "./stream.mjs";

await browse(async (open, program) => {
  const server = await start(program);
  const { url, cut } = await proxy(server.port);
  const page = await open(...UNREACHED);
  await enter(page, url);
  await added(page, "milk");
  await recordCount(page);
  await checkCount(page, 1);
  const other = await (await open.another())();
  await enter(other, server.url);

  // Goes offline. The emulation leaves open connections alone, so the proxy cuts this one.
  await page.context().setOffline(true);
  cut();
  await phase(page, "offline");
  await push(other, "Everyone", "a", /^reached 2 pages$/);
  await line(other, "pushed to everyone: a");
  assert.deepEqual(await log(page), []);
  await page.context().setOffline(false);
  await phase(page, "open");
  await line(page, "pushed to everyone: a");
  await checkCount(page, 1);

  // Leaves the page and returns. If the page were loaded again, `kept` would be missing.
  const id = await withStream(page, (live) => {
    window.kept = true;
    return live.page;
  });
  await page.goto(`${url}style.css`);
  await push(other, "Everyone", "b", /^reached 2 pages$/);
  await page.goBack({ waitUntil: "commit" });
  await page.waitForFunction(() => window.kept === true);
  await phase(page, "open");
  await line(page, "pushed to everyone: b");
  await checkCount(page, 1);
  assert.equal(await withStream(page, (live) => live.page), id);
  assert.deepEqual(await log(page), ["pushed to everyone: a", "pushed to everyone: b"]);
  assert.deepEqual(await notes(page), ["milk"]);
}, { cache: true });
