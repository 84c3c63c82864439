// cross_site.mjs PORT WITH_SESSION PUBLIC: pages of the site can connect to both paths; pages of
// other sites cannot, even if they know the id of a page.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";

const SITE = "site.example";
const EVIL = "evil.example";

// Opens a WebSocket from a page. Returns whether it opened, its close code, and the error in the
// browser's network log, which the page itself cannot see.
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

// Opens the page of a host, and waits until its own socket is open.
async function visit(page, host, port) {
  await page.goto(`http://${host}:${port}/`);
  await page.getByRole("status").filter({ hasText: /^connected$/ }).waitFor();
}

await browse(
  async (open, port, withSession, publicPath) => {
    const site = await open();
    await visit(site, SITE, port);
    // The evil page will try these URLs; the site itself may use them. The browser holds the
    // session cookies, and the page id is in the HTML: assume that it was stolen.
    const stolen = await site.evaluate(() => document.body.dataset.page);
    assert.match(stolen, /^[\w-]{48}$/);
    const targets = [`${withSession}?z_pid=${stolen}`, withSession, publicPath];
    for (const target of targets) {
      assert.deepEqual(await attempt(site, `ws://${SITE}:${port}${target}`), ACCEPTED, target);
    }

    // The evil page is the same HTML on another host. Its own socket connects, so the browser is
    // not the one that refuses.
    const evil = await open(STATUS_403);
    await visit(evil, EVIL, port);
    for (const target of targets) {
      assert.deepEqual(await attempt(evil, `ws://${SITE}:${port}${target}`), REFUSED, target);
    }
  },
  { hosts: [SITE, EVIL] },
);
