// One browser for one script. The script's arguments are those of the command line; it fails
// where a page complains of something that was not to be expected.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

// No wait of a script takes so long, in milliseconds, unless what it waits for never comes.
const PATIENCE = 20_000;
// Nor does a whole script. The harness, `tests/browser/script.rs`, waits longer.
const DEADLINE = 60_000;

const SWITCHES = [
  "--disable-gpu",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-proxy-server",
];

/**
 * Runs `script(open, ...arguments)`. `open(...expected)` gives a new page; `expected` are
 * parts of complaints that do no harm there. All its pages are one visitor's: they share
 * their cookies; `await open.another()` is the `open` of another visitor. `hosts` are names
 * that lead to this machine. With `cache`, pages that are left are kept for going back, as
 * browsers do where nothing drives them.
 */
export async function browse(script, { hosts = [], cache = false } = {}) {
  const late = setTimeout(() => {
    console.error(`not done after ${DEADLINE} ms`);
    process.exit(1); // and the browser ends with it
  }, DEADLINE);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    chromiumSandbox: false, // root has none
    args: [...SWITCHES, `--host-resolver-rules=${hosts.map((host) => `MAP ${host} 127.0.0.1`)}`],
    ignoreDefaultArgs: cache ? ["--disable-back-forward-cache"] : [],
    timeout: DEADLINE,
  });
  const complaints = [];
  const visitor = async () => {
    const context = await browser.newContext();
    context.setDefaultTimeout(PATIENCE);
    const open = async (...expected) => {
      const page = await context.newPage();
      const complain = (text) => {
        if (!expected.some((part) => text.includes(part))) complaints.push(text);
      };
      page.on("pageerror", (error) => complain(`page error: ${error.stack}`));
      page.on("crash", () => complain("the page crashed"));
      page.on("console", (message) => {
        const { url } = message.location();
        if (message.type() !== "error" || url.endsWith("/favicon.ico")) return;
        complain(`console: ${message.text()} (${url})`);
      });
      return page;
    };
    return Object.assign(open, { another: visitor });
  };
  try {
    await script(await visitor(), ...process.argv.slice(2));
    // What a page said before, arrives before its answer.
    const pages = browser.contexts().flatMap((context) => context.pages());
    for (const page of pages) await page.evaluate(() => 0);
  } finally {
    await browser.close();
    clearTimeout(late);
    for (const complaint of complaints) console.error(complaint);
  }
  assert.equal(complaints.length, 0, "a page complained");
}
