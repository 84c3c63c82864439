// A page that returns shows its server what it has received.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { connectPage } from "../client.js";
import { Clock, responses, settle, Socket } from "./simulation.mjs";

const clock = new Clock();

beforeEach(() => {
  Socket.all = [];
  clock.clear();
});

async function page(options) {
  const fetch = responses(426);
  const stream = connectPage("https://site.example/websocket", {
    page: "P",
    epoch: "E",
    base: "B",
    fresh: "/ws-server/page",
    WebSocket: Socket,
    fetch,
    random: () => 0,
    ...options,
  });
  const [resets, pushes] = [[], []];
  stream.addEventListener("reset", ({ detail }) => resets.push(detail));
  stream.addEventListener("push", ({ detail }) => pushes.push(detail.data));
  await settle();
  return { stream, resets, pushes, fetch };
}

function accept(more) {
  Socket.last.open();
  Socket.last.receive({ type: "welcome", epoch: "E", offset: 0, seen: 0, ...more });
  return Socket.last;
}

const said = (offset, at) => ({ type: "event", offset, event: "said", data: offset, at });

// Loses the connection; returns the cursor of the next attempt.
async function cursor() {
  await clock.advance(10_000); // ends the back-off
  Socket.last.drop();
  await clock.advance(2_000);
  const { base, at } = Object.fromEntries(new URL(Socket.last.url).searchParams);
  return [base, at];
}

test("it returns its base and the last place of each lane", async () => {
  await page();
  const socket = accept();
  socket.receive(said(1, "3.0.1.1"));
  socket.receive(said(2, "0.0.9.1"));
  socket.receive(said(3));
  socket.receive(said(4, "3.0.12.1"));
  // A message that was received before changes nothing.
  socket.receive(said(2, "0.0.7.1"));
  assert.deepEqual(await cursor(), ["B", "0.0.9.1-3.0.12.1"]);
  // In a replay, the place is unknown until its end.
  const next = accept({ offset: 4 });
  next.receive(said(5, "3"));
  assert.deepEqual(await cursor(), ["B", "0.0.9.1-3"]);
});

test("a pong tells what the page has reached, and a base replaces the cursor", async () => {
  await page();
  const socket = accept();
  socket.receive(said(1, "3.0.1.1"));
  socket.receive({ type: "pong" });
  assert.deepEqual(await cursor(), ["B", "3.0.1.1"]);
  accept({ offset: 1 }).receive({ type: "pong", at: "0.7.1.2-3.8.0.1" });
  assert.deepEqual(await cursor(), ["B", "0.7.1.2-3.8.0.1"]);
  accept({ offset: 1 }).receive({ type: "base", base: "C" });
  assert.deepEqual(await cursor(), ["C", ""]);
  accept({ offset: 1 }).receive({ type: "base" });
  assert.deepEqual(await cursor(), [undefined, undefined]);
});

test("it counts its connections", async () => {
  await page();
  const attempt = () => new URL(Socket.last.url).searchParams.get("attempt");
  assert.equal(attempt(), "1");
  accept();
  await cursor();
  assert.equal(attempt(), "2");
});

test("a server without cursors gets none", async () => {
  await page({ base: undefined });
  accept().receive(said(1));
  assert.deepEqual(await cursor(), [undefined, undefined]);
});

test("a page that continues in another epoch reports no reset", async () => {
  const { resets, pushes } = await page();
  accept().receive(said(1, "3.0.1.1"));
  await cursor();
  accept({ epoch: "F", base: "C", continued: true }).receive(said(1, "3.0.2.1"));
  assert.deepEqual([resets, pushes], [[], [1, 1]]);
  assert.deepEqual(await cursor(), ["C", "3.0.2.1"], "the old places are part of the base");
});

test("a page that continues reports the messages that are not confirmed", async () => {
  const { stream, resets } = await page();
  accept();
  stream.send("hello");
  await cursor();
  accept({ epoch: "F", continued: true });
  assert.deepEqual(resets, [{ why: "restart", unconfirmed: ["hello"] }]);
});

test("after a reset only a new base counts", async () => {
  const { resets } = await page();
  const socket = accept();
  socket.receive(said(1, "3.0.1.1"));
  socket.receive({ type: "reset", why: "overflow", offset: 5 });
  socket.receive(said(6, "3.0.9.1"));
  assert.deepEqual(await cursor(), [undefined, undefined]);
  const next = accept({ epoch: "F", base: "C" });
  next.receive({ type: "reset", why: "restart", offset: 0 });
  next.receive(said(1, "3.0.10.1"));
  assert.deepEqual(await cursor(), ["C", "3.0.10.1"]);
  // Another script has the epoch: what this one has received is unknown.
  accept({ epoch: "G" }).receive({ type: "reset", why: "restart", offset: 0 });
  assert.deepEqual(await cursor(), [undefined, undefined]);
  assert.equal(resets.length, 3);
});

test("a fresh page begins with its own base", async () => {
  const { fetch } = await page();
  accept().receive(said(1, "3.0.1.1"));
  fetch.next([403, "too old"], [200, '{"page":"Q","epoch":"F","base":"C"}']);
  await cursor();
  Socket.last.drop();
  await settle();
  const { z_pid, base, at } = Object.fromEntries(new URL(Socket.last.url).searchParams);
  assert.deepEqual([z_pid, base, at], ["Q", "C", ""]);
});
