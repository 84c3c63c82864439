// stream_away.mjs PROGRAM: a page goes into the cache of its browser and back, and offline and
// back; what was pushed meanwhile arrives, once.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import {
  added, ask, checkCount, enter, line, log, notes, phase, proxy, push, recordCount, start, UNREACHED,
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

  // Offline, and the connection is lost: a browser that only pretends leaves it open.
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

  // Away and back. `kept` is of this document: it is gone where the page is loaded anew.
  const id = await ask(page, (live) => {
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
  assert.equal(await ask(page, (live) => live.page), id);
  assert.deepEqual(await log(page), ["pushed to everyone: a", "pushed to everyone: b"]);
  assert.deepEqual(await notes(page), ["milk"]);
}, { cache: true });
