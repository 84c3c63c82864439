// stream_duplicate.mjs PROGRAM: a second tab has the same HTML, and so the same page, as the
// duplicate of a tab has.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { added, ask, enter, line, log, LOST, phase, push, start } from "./stream.mjs";

const identity = (live) => live.page;

await browse(async (open, program) => {
  const { url } = await start(program);
  const older = await open();
  const html = await (await enter(older, url)).text();
  await added(older, "milk");
  const id = await ask(older, identity);

  const newer = await open();
  // A page that comes out of nowhere is no local one to the browser, but its server is.
  await newer.context().grantPermissions(["local-network-access"]);
  await newer.route(url, (route) => route.fulfill({ body: html, contentType: "text/html" }));
  await enter(newer, url);
  assert.equal(await ask(newer, identity), id);
  await older.getByText("superseded: this page is open in another tab").waitFor();
  const { code, reason, final } = await ask(older, (live) => live.state);
  assert.deepEqual({ code, reason, final }, { code: 4409, reason: "superseded", final: false });

  // One page, one receipt.
  await push(newer, "This session", "a", /^reached 1 page$/);
  await line(newer, "pushed to this session: a");
  assert.deepEqual(await log(older), []);

  // Looked at again, the older asks for a page of its own. No tab of a driven browser is hidden:
  // the event stands for one that was.
  await older.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await phase(older, "open");
  await line(older, LOST.replace(/[().]/g, "\\$&"));
  assert.notEqual(await ask(older, identity), id);
  await push(older, "This page", "b", /^reached 1 page$/);
  await push(older, "This session", "c", /^reached 2 pages$/);
  for (const page of [older, newer]) await line(page, "pushed to this session: c");
  const [b, c] = ["pushed to this page: b", "pushed to this session: c"];
  assert.deepEqual(await log(older), [LOST, b, c]);
  assert.equal(await ask(newer, identity), id);
  assert.deepEqual((await log(newer)).slice(-2), ["pushed to this session: a", c]);
});
