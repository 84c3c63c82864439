// Shared by the tests of `examples/stream`: the program, a proxy in front of it, and its page.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { createInterface } from "node:readline";

/** The browser logs these if there is no server, or if it refuses: they are expected. */
export const UNREACHED = ["WebSocket connection to", "Failed to load resource"];

/** Starts the example on this port; 0 chooses a free one. */
export async function start(program, port = 0) {
  const child = spawn(program, ["--listen", `127.0.0.1:${port}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.on("exit", () => child.kill("SIGKILL"));
  const ended = once(child, "exit");
  const lines = createInterface(child.stdout);
  const [line] = await Promise.race([
    once(lines, "line"),
    ended.then(() => Promise.reject(new Error("the example has ended"))),
  ]);
  // A script can end while its server still runs.
  child.unref();
  child.stdout.unref();
  const url = new URL(line);
  const kill = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return { url: url.href, port: Number(url.port), kill };
}

/** Forwards connections to a port. `cut` cuts all of them. */
export async function proxy(port) {
  const cuts = new Set();
  let credit = Infinity; // bytes until the next cut
  let spent = () => {};
  const cut = () => {
    for (const end of cuts) end();
  };
  const forward = (from, to) => {
    from.on("data", (bytes) => {
      const part = bytes.subarray(0, credit);
      credit -= part.length;
      if (!to.destroyed) to.write(part);
      if (credit > 0) return;
      credit = Infinity;
      cut();
      spent();
    });
  };
  const server = net.createServer((near) => {
    const far = net.connect(port, "127.0.0.1");
    const end = () => {
      cuts.delete(end);
      near.destroy();
      far.destroy();
    };
    cuts.add(end);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    forward(near, far);
    forward(far, near);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    cut,
    /** Cuts after this many more bytes, counted in both directions. */
    cutAfter: (bytes) =>
      new Promise((resolve) => {
        [credit, spent] = [bytes, resolve];
      }),
  };
}

// The page.

export const phase = (page, name) => page.locator(`#state[data-phase="${name}"]`).waitFor();
export const log = (page) => page.locator("#log li").allTextContents();
export const line = (page, text) =>
  page.locator("#log li").filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
export const notes = (page) => page.locator("#notes li").allTextContents();
export const LOST = "Messages may be missing (restart): the state was reloaded.";

/** Evaluates `read(stream, argument)` in the page, with the page's own stream. */
export function withStream(page, read, argument) {
  const code = `(async (argument) => {
    const { stream } = await import("/ws-server/client.js");
    return (${read})(stream(), argument);
  })(${JSON.stringify(argument) ?? ""})`;
  return page.evaluate(code);
}

/** Records the seconds that are pushed to the page from now on. */
export const recordCount = (page) =>
  withStream(page, (live) => {
    window.counts = [];
    live.on("count", (count) => counts.push(count));
  });

/** Waits for this many more seconds, and checks that none is missing or repeated. */
export async function checkCount(page, more) {
  const before = await page.evaluate(() => counts.length);
  await page.waitForFunction((length) => counts.length >= length, before + more);
  const counts = await page.evaluate(() => window.counts);
  assert.deepEqual(counts, counts.map((_, index) => counts[0] + index));
}

/** Pushes with the form, and waits for the result that the page shows. */
export async function push(page, to, text, reached) {
  await page.locator("#text").fill(text);
  const response = page.waitForResponse((response) => response.url().includes("/push/"));
  await page.getByRole("button", { name: to }).click();
  await response;
  await page.locator("#reached", { hasText: reached }).waitFor();
}

export async function note(page, text) {
  await page.locator("#note").fill(text);
  await page.getByRole("button", { name: "Add" }).click();
}

export async function added(page, text) {
  await note(page, text);
  await page.locator("#notes li", { hasText: text }).waitFor();
}

export async function enter(page, url) {
  const response = await page.goto(url);
  await phase(page, "open");
  return response;
}
