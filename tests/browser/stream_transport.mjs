// stream_transport.mjs URL: which transport a page uses, and when.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { blockingProxy, openOver } from "./blocking.mjs";
import { UNREACHED } from "./stream.mjs";

const STREAM = "/recorder";

await browse(async (open, direct) => {
  const proxy = await blockingProxy(new URL(direct).port);
  // A page that is left sends a last message.
  const asked = () => {
    const requests = proxy.requests.filter((request) => request.endsWith(` ${STREAM}`));
    return requests.filter((request) => !request.startsWith("SEND"));
  };
  const page = await open(...UNREACHED);
  const start = async (path, blocks) => {
    Object.assign(proxy, { blocks, requests: [] });
    await page.goto(`${proxy.url}${path}`);
  };

  // Handshakes that are answered.
  await start("open", undefined);
  await openOver(page, undefined);
  assert.deepEqual(asked(), [`UPGRADE ${STREAM}`]);

  // A refusal is no reason.
  await start("refused", undefined);
  await page.waitForFunction(() => window.recorded?.live.state.phase === "closed");
  assert.equal(await page.evaluate(() => recorded.live.state.status), 403);
  assert.deepEqual(asked(), [`UPGRADE ${STREAM}`, `GET ${STREAM}`]);

  // Two handshakes without an answer, each of which the page asks about.
  await start("open?heartbeat=700", "swallow");
  await openOver(page, "http");
  const blocked = [`UPGRADE ${STREAM}`, `GET ${STREAM}`];
  assert.deepEqual(asked(), [...blocked, ...blocked, `POST ${STREAM}`]);

  // Forced, although handshakes pass.
  await start("open?transport=http", undefined);
  await openOver(page, "http");
  assert.deepEqual(asked(), [`POST ${STREAM}`]);

  // Not wanted, although handshakes are blocked.
  await start("open?transport=websocket", "strip");
  const refused = () => asked().filter((request) => request.startsWith("GET")).length;
  while (refused() < 4) await new Promise((done) => setTimeout(done, 10));
  assert.ok(!asked().includes(`POST ${STREAM}`));
});
