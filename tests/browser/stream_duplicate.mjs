// stream_duplicate.mjs PROGRAM: a second tab has the same HTML, and so the same page id, like a
// duplicated tab.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { added, enter, line, log, LOST, phase, push, start, withStream } from "./stream.mjs";

const identity = (live) => live.page;

await browse(async (open, program) => {
  const { url } = await start(program);
  const older = await open();
  const html = await (await enter(older, url)).text();
  await added(older, "milk");
  const id = await withStream(older, identity);

  const newer = await open();
  // For the browser, a fulfilled page is not local, but its server is: that needs a permission.
  await newer.context().grantPermissions(["local-network-access"]);
  await newer.route(url, (route) => route.fulfill({ body: html, contentType: "text/html" }));
  await enter(newer, url);
  assert.equal(await withStream(newer, identity), id);
  await older.getByText("superseded: this page is open in another tab").waitFor();
  const { code, reason, final } = await withStream(older, (live) => live.state);
  assert.deepEqual({ code, reason, final }, { code: 4409, reason: "superseded", final: false });

  // One page, one receipt.
  await push(newer, "This session", "a", /^reached 1 page$/);
  await line(newer, "pushed to this session: a");
  assert.deepEqual(await log(older), []);

  // When the user shows it again, the older tab requests a page of its own. Automated tabs are
  // never hidden, so the test dispatches the event.
  await older.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await phase(older, "open");
  await line(older, LOST.replace(/[().]/g, "\\$&"));
  assert.notEqual(await withStream(older, identity), id);
  await push(older, "This page", "b", /^reached 1 page$/);
  await push(older, "This session", "c", /^reached 2 pages$/);
  for (const page of [older, newer]) await line(page, "pushed to this session: c");
  const [b, c] = ["pushed to this page: b", "pushed to this session: c"];
  assert.deepEqual(await log(older), [LOST, b, c]);
  assert.equal(await withStream(newer, identity), id);
  assert.deepEqual((await log(newer)).slice(-2), ["pushed to this session: a", c]);
});
