// cluster.mjs URL PORT_A PID_A PORT_B PID_B: two servers behind nginx end in turn.
import assert from "node:assert/strict";
import { browse } from "./browser.mjs";
import { UNREACHED } from "./stream.mjs";

const said = (page) => page.locator("#log li:not(.moved) span").allTextContents();
const server = (page) => page.locator("#server").textContent();

async function say(page, text) {
  await page.fill("#text", text);
  await page.click("#say button");
  await page.locator("#log li.mine span", { hasText: text }).waitFor();
}

/** Waits until a server has read the log. */
async function ready(port) {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

await browse(async (open, url, portA, pidA, portB, pidB) => {
  const servers = { A: { port: portA, pid: pidA, other: "B" }, B: { port: portB, pid: pidB, other: "A" } };
  const [ada, bob] = [await open(...UNREACHED, "502"), await (await open.another())(...UNREACHED, "502")];
  for (const page of [ada, bob]) {
    await page.goto(url);
    await page.locator("#server[data-server]").waitFor();
  }
  const expected = [];
  const all = async (text) => {
    expected.push(text);
    for (const page of [ada, bob]) await page.locator("#log span", { hasText: text }).waitFor();
    for (const page of [ada, bob]) assert.deepEqual(await said(page), expected);
  };
  await say(ada, "hello");
  await all("hello");
  await say(bob, "good morning");
  await all("good morning");

  // One is killed, and the other one leaves when the first is back.
  for (const [text, signal] of [["after the first", "SIGKILL"], ["after the second", "SIGTERM"]]) {
    const gone = await server(ada);
    const { pid, other } = servers[gone];
    await ready(servers[other].port);
    process.kill(Number(pid), signal);
    for (const page of [ada, bob]) {
      await page.locator(`#server[data-server="${other}"]`).waitFor();
      await page.locator('#state[data-phase="open"]').waitFor();
    }
    await ada.locator("#log .moved", { hasText: `${gone} is gone; the page continues on ${other}` }).waitFor();
    await say(bob, `${text}, from bob`);
    await all(`${text}, from bob`);
    await say(ada, `${text}, from ada`);
    await all(`${text}, from ada`);
  }
  // The page has continued on the last one without beginning again: it still shows both moves.
  assert.equal(await ada.locator("#log .moved").count(), 2);
});
