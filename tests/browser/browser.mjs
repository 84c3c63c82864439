// Runs one script in one browser. The script gets the arguments of the command line, and fails if a
// page reports an unexpected error.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

// The deadline of each wait in a script, in milliseconds. It only passes if the event never
// happens.
const WAIT_TIMEOUT = 20_000;
// The deadline of a whole script. The harness, `tests/browser/script.rs`, waits longer.
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
 * Runs `script(open, ...arguments)`. `open(...expected)` opens a page; errors that contain a text
 * in `expected` are ignored there. All its pages share their cookies, so they belong to one
 * visitor; `await open.another()` returns the `open` of another visitor. `hosts` are names that
 * resolve to this machine. With `cache`, the back/forward cache is on, as in a browser that is not
 * automated. With `insecure`, every certificate is trusted.
 */
export async function browse(script, { hosts = [], cache = false, insecure = false } = {}) {
  const late = setTimeout(() => {
    console.error(`the script is not done after ${DEADLINE} ms`);
    process.exit(1); // also ends the browser
  }, DEADLINE);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    chromiumSandbox: false, // does not work as root
    args: [...SWITCHES, `--host-resolver-rules=${hosts.map((host) => `MAP ${host} 127.0.0.1`)}`],
    ignoreDefaultArgs: cache ? ["--disable-back-forward-cache"] : [],
    timeout: DEADLINE,
  });
  const errors = [];
  const visitor = async () => {
    const context = await browser.newContext({ ignoreHTTPSErrors: insecure });
    context.setDefaultTimeout(WAIT_TIMEOUT);
    const open = async (...expected) => {
      const page = await context.newPage();
      const report = (text) => {
        if (!expected.some((part) => text.includes(part))) errors.push(text);
      };
      page.on("pageerror", (error) => report(`page error: ${error.stack}`));
      page.on("crash", () => report("the page crashed"));
      page.on("console", (message) => {
        const { url } = message.location();
        if (message.type() !== "error" || url.endsWith("/favicon.ico")) return;
        report(`console: ${message.text()} (${url})`);
      });
      return page;
    };
    return Object.assign(open, { another: visitor });
  };
  try {
    await script(await visitor(), ...process.argv.slice(2));
    // This answer arrives after all earlier messages of the page.
    const pages = browser.contexts().flatMap((context) => context.pages());
    for (const page of pages) await page.evaluate(() => 0);
  } finally {
    await browser.close();
    clearTimeout(late);
    for (const error of errors) console.error(error);
  }
  assert.equal(errors.length, 0, "a page reported an error");
}
