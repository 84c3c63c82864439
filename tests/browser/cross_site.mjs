// cross_site.mjs PORT WITH_SESSION PUBLIC: both paths are open to pages of the site itself, and to
// no other's, even where those know the id of a page.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";

const SITE = "site.example";
const EVIL = "evil.example";

// What comes of a WebSocket that a page opens: did it open, how was it closed, and what does
// the browser's network log say was wrong? The page itself never learns that.
async function attempt(page, url) {
  const logged = new Promise((resolve) => {
    page.once("websocket", (socket) => {
      let error = null;
      socket.on("socketerror", (text) => (error = text));
      socket.on("close", () => resolve(error));
    });
  });
  const outcome = await page.evaluate((url) => {
    return new Promise((resolve) => {
      const socket = new WebSocket(url);
      let opened = false;
      socket.onopen = () => {
        opened = true;
        socket.close(1000);
      };
      socket.onclose = ({ code }) => resolve({ opened, code });
    });
  }, url);
  return { ...outcome, error: await logged };
}

const STATUS_403 = "Error during WebSocket handshake: Unexpected response code: 403";
const ACCEPTED = { opened: true, code: 1000, error: null };
const REFUSED = { opened: false, code: 1006, error: STATUS_403 };

// The page of a host, once its own socket is open.
async function visit(page, host, port) {
  await page.goto(`http://${host}:${port}/`);
  await page.getByRole("status").filter({ hasText: /^connected$/ }).waitFor();
}

await browse(
  async (open, port, withSession, publicPath) => {
    const site = await open();
    await visit(site, SITE, port);
    // What the evil page will try; the site itself may. The cookies of the session are the
    // browser's, and the id of the page stands in its HTML: say that it was stolen.
    const stolen = await site.evaluate(() => document.body.dataset.page);
    assert.match(stolen, /^[\w-]{48}$/);
    const targets = [`${withSession}?z_pid=${stolen}`, withSession, publicPath];
    for (const target of targets) {
      assert.deepEqual(await attempt(site, `ws://${SITE}:${port}${target}`), ACCEPTED, target);
    }

    // Any page will do, here the same: what counts is whose it is. Its own socket shows that
    // it is not the browser that refuses.
    const evil = await open(STATUS_403);
    await visit(evil, EVIL, port);
    for (const target of targets) {
      assert.deepEqual(await attempt(evil, `ws://${SITE}:${port}${target}`), REFUSED, target);
    }
  },
  { hosts: [SITE, EVIL] },
);
