// The stream of a page with the server's tag: it begins once, and at the right time.
import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../client.js";
import { browser, Clock, settle, Socket } from "./simulation.mjs";

new Clock();

test("there is no stream without a tag", (t) => {
  assert.throws(stream, /script\[data-stream\]/);
  browser(t).document.querySelector = () => null;
  assert.throws(stream, /script\[data-stream\]/);
});

// Each import is a new module, and has a new singleton.
let times = 0;
async function begin(t, readyState, domContentLoadedEventStart) {
  const { document } = browser(t);
  globalThis.WebSocket = Socket;
  t.after(() => delete globalThis.WebSocket);
  t.mock.method(performance, "getEntriesByType", (type) => {
    assert.equal(type, "navigation");
    return domContentLoadedEventStart === undefined ? [] : [{ domContentLoadedEventStart }];
  });
  const dataset = { stream: "/websocket", page: "P", epoch: "E", parameter: "pid", fresh: "/f" };
  document.readyState = readyState;
  document.querySelector = (selector) => selector === "script[data-stream]" && { dataset };
  Socket.all = [];
  const client = await import(`../client.js?${(times += 1)}`);
  const made = client.stream();
  assert.equal(client.stream(), made);
  assert.equal(made.page, "P");
  await settle();
  return document;
}

for (const [state, start] of [["loading", 0], ["interactive", 0], ["loading", undefined]]) {
  test(`a document that is ${state} (${start}) delays the start`, async (t) => {
    const document = await begin(t, state, start);
    assert.equal(Socket.all.length, 0);
    document.dispatchEvent(new Event("DOMContentLoaded"));
    await settle();
    const url = Socket.last.url.replace(/client=\d+/, "client=…");
    assert.equal(url, "wss://site.example/websocket?pid=P&client=…&attempt=1&epoch=E&offset=0");
    document.dispatchEvent(new Event("DOMContentLoaded"));
    await settle();
    assert.equal(Socket.all.length, 1);
  });
}

for (const [state, start] of [["complete", 12], ["interactive", 12], ["interactive", undefined]]) {
  test(`a document that is ${state} (${start}) starts at once`, async (t) => {
    await begin(t, state, start);
    assert.equal(Socket.all.length, 1);
  });
}
