// A stream follows the page protocol.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { beforeEach, test } from "node:test";
import { connectPage } from "../client.js";
import { responses, browser, Clock, settle, Socket } from "./simulation.mjs";

const clock = new Clock();
const URL_ = "https://site.example/websocket";

beforeEach(() => {
  Socket.all = [];
  clock.clear();
});

// Creates a stream, its network, and a record of its events.
async function page(options) {
  const fetch = responses(426);
  const stream = connectPage(URL_, {
    page: "P",
    epoch: "E",
    fresh: "/ws-server/page",
    WebSocket: Socket,
    fetch,
    random: () => 0,
    ...options,
  });
  const reported = { states: [], messages: [], pushes: [], resets: [] };
  const note = (type, list) => stream.addEventListener(type, ({ detail }) => list.push(detail));
  note("state", reported.states);
  note("message", reported.messages);
  note("push", reported.pushes);
  note("reset", reported.resets);
  await settle();
  return { stream, fetch, ...reported };
}

const welcome = (more) => ({ type: "welcome", epoch: "E", offset: 0, seen: 0, ...more });

function accept(more) {
  Socket.last.open();
  Socket.last.receive(welcome(more));
  return Socket.last;
}

const text = (offset, data = `m${offset}`) => ({ type: "text", offset, data });

// Loses the connection and waits for the next attempt.
async function again() {
  Socket.last.drop();
  await clock.advance(2_000);
  return Socket.last;
}

const query = (socket) => Object.fromEntries(new URL(socket.url).searchParams);

test("it connects with the protocol, the page and its position", async () => {
  const { stream } = await page();
  assert.equal(Socket.last.protocols, "page.v1");
  assert.equal(Socket.last.url, "wss://site.example/websocket?z_pid=P&client=0&attempt=1&epoch=E&offset=0");
  Socket.last.open();
  assert.equal(stream.state.phase, "connecting");
  Socket.last.receive(welcome());
  assert.equal(stream.state.phase, "open");
  assert.deepEqual([stream.page, stream.epoch, stream.offset], ["P", "E", 0]);
});

test("the parameter's name is configurable, and the query of the URL is kept", async () => {
  await page({ parameter: "p" });
  assert.deepEqual(query(Socket.last), { p: "P", client: "0", attempt: "1", epoch: "E", offset: "0" });
  const url = "http://site.example/websocket?a=b#c";
  const options = { page: "Q", WebSocket: Socket, random: () => 0 };
  connectPage(url, options).close();
  connectPage(url, options);
  await settle();
  assert.equal(Socket.last.url, "ws://site.example/websocket?a=b&z_pid=Q&client=0&attempt=1");
});

test("a page without an epoch sends none, and uses that of the welcome", async () => {
  const { stream, resets, messages } = await page({ epoch: undefined });
  assert.deepEqual(query(Socket.last), { z_pid: "P", client: "0", attempt: "1" });
  accept({ epoch: "N", offset: 7 });
  Socket.last.receive(text(8));
  assert.deepEqual([stream.epoch, stream.offset], ["N", 8]);
  assert.deepEqual(messages, ["m8"]);
  assert.deepEqual(resets, []);
});

test("it delivers pushes, text and bytes, and resumes after the last", async () => {
  const { stream, messages, pushes } = await page();
  const prices = [];
  const offsets = [];
  stream.addEventListener("push", () => offsets.push(stream.offset));
  stream.addEventListener("message", () => offsets.push(stream.offset));
  const off = stream.on("price", (data) => prices.push(data));
  accept();
  Socket.last.receive({ type: "event", offset: 1, event: "price", data: { cents: 5 } });
  Socket.last.receive({ type: "event", offset: 2, event: "other", data: null });
  Socket.last.receive(text(3));
  Socket.last.receive({ type: "binary", offset: 4, data: "AP+A" });
  off();
  Socket.last.receive({ type: "event", offset: 5, event: "price", data: 6 });
  assert.deepEqual(prices, [{ cents: 5 }]);
  assert.deepEqual(offsets, [1, 2, 3, 4, 5]);
  assert.deepEqual(pushes, [
    { event: "price", data: { cents: 5 } },
    { event: "other", data: null },
    { event: "price", data: 6 },
  ]);
  assert.deepEqual(messages, ["m3", new Uint8Array([0, 255, 128])]);
  assert.deepEqual(query(await again()), { z_pid: "P", client: "0", attempt: "2", epoch: "E", offset: "5" });
});

test("received messages are ignored; a gap makes it reconnect", async () => {
  const { stream, messages } = await page();
  const socket = accept();
  for (const offset of [1, 2, 1, 2, 3]) socket.receive(text(offset));
  assert.deepEqual(messages, ["m1", "m2", "m3"]);
  socket.receive(text(5));
  assert.equal(stream.state.phase, "waiting");
  assert.equal(socket.closedWith.code, 1000);
  await clock.advance(1_000);
  assert.equal(Socket.all.length, 2);
  assert.equal(query(Socket.last).offset, "3");
});

test("it closes on a protocol error, and ignores unknown messages", async (t) => {
  const bad = [
    "no JSON",
    "null",
    new ArrayBuffer(1),
    { type: "text", data: "no offset" },
    { type: "text", offset: "1", data: "" },
    { type: "binary", offset: 1, data: "?" },
    { type: "welcome", offset: 0, seen: 0 },
    { type: "welcome", epoch: "E", offset: 0 },
    { type: "reset", why: "overflow" },
  ];
  for (const message of bad) {
    await t.test(JSON.stringify(message), async () => {
      const { stream, messages, fetch } = await page();
      accept().receive(message);
      assert.equal(stream.state.phase, "waiting");
      assert.equal(stream.offset, 0);
      assert.deepEqual([messages, fetch.requests], [[], []]);
    });
  }
  await t.test("before the welcome", async () => {
    const { stream } = await page();
    Socket.last.open();
    Socket.last.receive(text(1));
    assert.equal(stream.state.phase, "waiting");
  });
  await t.test("unknown", async () => {
    const { stream, messages } = await page();
    accept({ more: true }).receive({ type: "novelty", offset: 9 });
    Socket.last.receive({ ...text(1), more: true });
    assert.equal(stream.state.phase, "open");
    assert.deepEqual(messages, ["m1"]);
  });
});

test("it acknowledges every 32nd message, or 100 ms after the first", async () => {
  await page();
  const socket = accept();
  const acks = () => socket.sentOf("ack").map(({ offset }) => offset);
  for (let offset = 1; offset <= 31; offset += 1) socket.receive(text(offset));
  assert.deepEqual(acks(), []);
  socket.receive(text(32));
  assert.deepEqual(acks(), [32]);
  await clock.advance(200);
  assert.deepEqual(acks(), [32]);
  socket.receive(text(33));
  await clock.advance(60);
  socket.receive(text(34));
  await clock.advance(39);
  assert.deepEqual(acks(), [32]);
  await clock.advance(1);
  assert.deepEqual(acks(), [32, 34]);
});

test("a hidden tab, whose timers are late, acknowledges at once", async (t) => {
  const { document } = browser(t);
  document.hidden = true;
  await page();
  accept().receive(text(1));
  assert.deepEqual(Socket.last.sentOf("ack"), [{ type: "ack", offset: 1 }]);
});

test("an acknowledgement does not go to the next connection", async () => {
  await page({ minDelay: 10 });
  accept().receive(text(1));
  Socket.last.drop();
  await clock.advance(20);
  Socket.last.open();
  await clock.advance(200);
  assert.equal(Socket.all.length, 2);
  assert.deepEqual(Socket.last.sent, []);
});

test("sent messages are numbered, kept until seen, and sent again in order", async () => {
  const { stream } = await page();
  stream.send("a");
  assert.deepEqual(Socket.last.sent, []);
  let socket = accept();
  stream.send({ b: 1 });
  const bytes = new Uint8Array([0, 255, 128]);
  stream.send(bytes.subarray(1));
  bytes.fill(7);
  stream.send(new ArrayBuffer(2));
  const all = [
    { type: "text", id: 1, data: "a" },
    { type: "text", id: 2, data: '{"b":1}' },
    { type: "binary", id: 3, data: "/4A=" },
    { type: "binary", id: 4, data: "AAA=" },
  ];
  assert.deepEqual(socket.json, all);
  socket.receive({ type: "seen", id: 1 });
  socket = await again();
  stream.send("e");
  // A listener of the state sends first, but not before the queued messages.
  stream.addEventListener("state", () => stream.send("f"), { once: true });
  accept({ seen: 2 });
  assert.deepEqual(socket.json, [
    ...all.slice(2),
    { type: "text", id: 5, data: "e" },
    { type: "text", id: 6, data: "f" },
  ]);
  socket.receive({ type: "seen", id: 6 });
  socket = await again();
  accept({ seen: 6 });
  assert.deepEqual(socket.sent, []);
});

test("each script has an id, and keeps it", async () => {
  let next = 0.25;
  const random = () => next;
  await page({ random });
  accept();
  assert.equal(query(Socket.last).client, String(2 ** 30));
  next = 0.75;
  assert.equal(query(await again()).client, String(2 ** 30));
  await page({ random });
  assert.equal(query(Socket.last).client, String(3 * 2 ** 30));
});

test("the queue is bounded by number and size, with unseen messages included", async () => {
  const { stream } = await page({ queue: 3, queueBytes: 10 });
  const socket = accept();
  stream.send("1");
  stream.send("2");
  stream.send("3");
  assert.throws(() => stream.send("4"), RangeError);
  socket.receive({ type: "seen", id: 2 });
  stream.send("1234567");
  assert.throws(() => stream.send("89a"), RangeError);
  socket.receive({ type: "seen", id: 4 });
  stream.send("longer than ten"); // into an empty queue
  await assert.rejects(stream.request(1), RangeError);
  const sent = socket.json.map(({ data }) => data);
  assert.deepEqual(sent, ["1", "2", "3", "1234567", "longer than ten"]);
});

test("by default the queue holds 256 messages and 1 MiB", async () => {
  const { stream } = await page();
  for (let i = 0; i < 256; i += 1) stream.send("");
  assert.throws(() => stream.send(""), RangeError);
  const other = (await page()).stream;
  other.send(new Uint8Array(2 ** 20 - 1));
  other.send("1");
  assert.throws(() => other.send("2"), RangeError);
});

test("a new epoch reports unconfirmed messages, restarts the numbers, and resets once", async () => {
  const { stream, resets, messages } = await page();
  accept().receive(text(1));
  const value = { a: 1 };
  stream.send("seen");
  stream.send(value);
  stream.send("b");
  const request = stream.request("c");
  Socket.last.receive({ type: "seen", id: 1 });
  await again();
  stream.send("never sent");
  const socket = accept({ epoch: "F" });
  socket.receive({ type: "reset", why: "restart", offset: 0 });
  assert.deepEqual(resets, [{ why: "restart", unconfirmed: [value, "b"] }]);
  assert.equal(resets[0].unconfirmed[0], value);
  await assert.rejects(request, { kind: "reset", message: "request 1: reset" });
  assert.deepEqual(socket.json, [{ type: "text", id: 1, data: "never sent" }]);
  socket.receive(text(1, "first"));
  assert.deepEqual(messages, ["m1", "first"]);
  await clock.advance(100);
  assert.deepEqual(socket.sentOf("ack"), [{ type: "ack", offset: 1 }]);
  assert.deepEqual(query(await again()), { z_pid: "P", client: "0", attempt: "3", epoch: "F", offset: "1" });
});

test("a request whose message was seen also fails when its epoch ends", async () => {
  const { stream } = await page();
  accept();
  const request = stream.request(1);
  Socket.last.receive({ type: "seen", id: 1 });
  await again();
  const waits = stream.request(2);
  accept({ epoch: "F" });
  await assert.rejects(request, { kind: "reset" });
  Socket.last.receive(text(1, '{"answer":2,"ok":"yes"}'));
  assert.equal(await waits, "yes");
});

test("an epoch that ends before the first connection causes a reset without losses", async () => {
  const { stream, resets } = await page();
  stream.send("a");
  accept({ epoch: "F" }).receive({ type: "reset", why: "restart", offset: 0 });
  assert.deepEqual(resets, [{ why: "restart", unconfirmed: [] }]);
  assert.deepEqual(Socket.last.sentOf("text").map(({ id }) => id), [1]);
});

test("after an overflow it continues at the offset of the reset", async () => {
  const { stream, resets, messages } = await page();
  const socket = accept();
  socket.receive(text(1));
  socket.receive({ type: "reset", why: "overflow", offset: 100 });
  assert.deepEqual(socket.sentOf("ack"), [{ type: "ack", offset: 1 }]); // never a dropped message
  socket.receive(text(101));
  assert.deepEqual(resets, [{ why: "overflow", unconfirmed: [] }]);
  assert.deepEqual(messages, ["m1", "m101"]);
  await clock.advance(100);
  assert.deepEqual(socket.sentOf("ack").at(-1), { type: "ack", offset: 101 });
  assert.equal(stream.offset, 101);
});

test("a request resolves with its answer, and rejects with its error", async () => {
  const { stream, messages } = await page();
  const socket = accept();
  const [good, bad] = [stream.request({ type: "rename" }), stream.request(null)];
  assert.deepEqual(socket.json.map(({ data }) => JSON.parse(data)), [
    { call: 1, body: { type: "rename" } },
    { call: 2, body: null },
  ]);
  socket.receive(text(1, '{"answer":2,"error":{"type":"taken"}}'));
  socket.receive(text(2, '{"answer":1,"ok":{"name":"Ada"}}'));
  assert.deepEqual(await good, { name: "Ada" });
  await assert.rejects(bad, (error) => {
    assert.equal(error.name, "RequestError");
    assert.match(error.message, /request 2/);
    assert.deepEqual([error.kind, error.id, error.error], ["answer", 2, { type: "taken" }]);
    return true;
  });
  assert.deepEqual(messages, []);
  const others = ['{"answer":3,"ok":1}', '{"answer":"1"', '{"answer":null}', '["answer"]'];
  others.forEach((data, i) => socket.receive(text(3 + i, data)));
  assert.deepEqual(messages, others);
});

test("a request that timed out or was aborted is not sent, and its answer is ignored", async () => {
  const { stream, messages } = await page();
  const late = stream.request("late", { timeout: 50 });
  await Promise.all([assert.rejects(late, { kind: "timeout", id: 1 }), clock.advance(50)]);
  const abort = new AbortController();
  const given = stream.request("given up", { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(given, { message: "enough" });
  await assert.rejects(stream.request("no", { signal: abort.signal }), { message: "enough" });
  accept();
  assert.deepEqual(Socket.last.sent, []);
  const sent = stream.request("sent");
  await Promise.all([assert.rejects(sent, { kind: "timeout" }), clock.advance(10_000)]);
  Socket.last.receive(text(1, '{"answer":4,"ok":1}'));
  assert.deepEqual(messages, []);
  const { signal } = new AbortController();
  const patient = stream.request("patient", { timeout: Infinity, signal });
  await clock.advance(5_000);
  Socket.last.receive(text(2, '{"answer":5,"ok":2}'));
  assert.equal(await patient, 2);
  await clock.advance(100);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  assert.equal(clock.waits.length, 1); // for the next ping
});

test("requests of two pages of one id do not have the same numbers", async () => {
  const { stream } = await page({ random: () => 0.5 });
  accept();
  stream.request(1);
  assert.equal(JSON.parse(Socket.last.sentOf("text")[0].data).call, 2 ** 31 + 1);
});

test("a listener that throws loses no message", async () => {
  const { stream, messages } = await page();
  const socket = accept();
  const reported = [];
  const handlers = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => reported.push(error.message));
  try {
    stream.on("push", () => {
      throw new Error("on");
    });
    for (const type of ["message", "state"]) {
      stream.addEventListener(type, () => {
        throw new Error(type);
      });
    }
    socket.receive({ type: "event", offset: 1, event: "push", data: 0 });
    socket.receive(text(2));
    socket.receive(text(2));
    socket.receive(text(3));
    await clock.advance(100);
    assert.deepEqual(messages, ["m2", "m3"]);
    assert.deepEqual(socket.json, [{ type: "ack", offset: 3 }]);
    assert.equal(query(await again()).offset, "3");
  } finally {
    process.removeAllListeners("uncaughtException");
    for (const handler of handlers) process.on("uncaughtException", handler);
  }
  assert.deepEqual([...new Set(reported)], ["on", "message", "state"]);
});

test("closing ends the stream on the server and all activity of the client", async () => {
  const { stream, states } = await page();
  const socket = accept();
  const request = stream.request(1);
  assert.throws(() => stream.close(1001), { name: "InvalidAccessError" });
  stream.close(4000, "enough");
  assert.deepEqual(socket.json.at(-1), { type: "bye" });
  assert.deepEqual(socket.closedWith, { code: 4000, reason: "enough" });
  assert.deepEqual(states.at(-1), { phase: "closed", code: 4000, reason: "enough", final: true });
  await assert.rejects(request, { kind: "closed" });
  await assert.rejects(stream.request(2), { kind: "closed" });
  assert.throws(() => stream.send(3), { name: "InvalidStateError" });
  socket.drop(4000);
  stream.close();
  await clock.advance(100_000);
  assert.equal(Socket.all.length, 1);
  assert.equal(states.at(-1).code, 4000);
});

test("it can be closed before it connects, and by a listener", async () => {
  const stream = connectPage(URL_, { page: "P", WebSocket: Socket });
  stream.close();
  await settle();
  assert.equal(Socket.all.length, 0);
  const other = await page();
  other.stream.addEventListener("message", () => other.stream.close());
  const socket = accept();
  socket.receive(text(1));
  socket.receive(text(2));
  await clock.advance(100_000);
  assert.deepEqual(other.messages, ["m1"]);
  assert.equal(Socket.all.length, 1);
});

test("it pings a silent server, and reconnects if no answer arrives", async () => {
  const { stream, messages } = await page();
  const socket = accept();
  await clock.advance(20_000);
  socket.receive(text(1));
  await clock.advance(24_999);
  assert.equal(socket.sentOf("ping").length, 0);
  await clock.advance(1);
  assert.equal(socket.sentOf("ping").length, 1);
  socket.receive({ type: "pong" });
  await clock.advance(25_000);
  assert.equal(socket.sentOf("ping").length, 2);
  await clock.advance(9_999);
  assert.equal(stream.state.phase, "open");
  await clock.advance(1);
  assert.equal(stream.state.phase, "waiting"); // although the socket has not reported it
  await clock.advance(1_000);
  const second = accept({ offset: 1 });
  socket.receive(text(2));
  socket.drop(4401);
  assert.deepEqual(messages, ["m1"]);
  assert.equal(stream.state.phase, "open");
  second.receive(text(2));
  assert.deepEqual(messages, ["m1", "m2"]);
});

const retryIn = ({ state }) => state.retryAt - clock.now;

test("after an abrupt end the first retry is anywhere within the spread of the server", async () => {
  for (const code of [1001, 1005, 1006]) {
    for (const [part, delay] of [
      [0, 0],
      [0.5, 10_000],
      [0.999, 19_980],
    ]) {
      const { stream } = await page({ random: () => part });
      accept({ spread: 20_000 }).drop(code);
      assert.equal(retryIn(stream), delay, `${code} ${part}`);
      // The server is still away: as always.
      await clock.advance(delay);
      Socket.last.drop();
      await settle();
      assert.equal(retryIn(stream), 1_000 * (1 + part));
      stream.close();
    }
  }
});

test("a missing answer is an abrupt end too, and `pong` changes the spread", async () => {
  const { stream } = await page({ random: () => 0.5 });
  const socket = accept({ spread: 20_000 });
  await clock.advance(25_000);
  socket.receive({ type: "pong", spread: 8_000 });
  await clock.advance(35_000);
  assert.equal(retryIn(stream), 4_000);
  await clock.advance(4_000);
  const second = accept({ spread: 20_000 });
  await clock.advance(25_000);
  second.receive({ type: "pong", spread: 1_000 });
  second.receive({ type: "pong", at: "0" }); // only places
  second.drop();
  assert.equal(retryIn(stream), 750, "the server has few clients now");
});

test("the time in a close is stronger than the spread, and so is a longer back-off", async () => {
  const { stream } = await page({ random: () => 0.5 });
  accept({ spread: 20_000 }).drop(1012, "retry=3000");
  assert.equal(retryIn(stream), 3_750);
  await clock.advance(3_750);
  for (const code of [1011, 1012, 1013]) {
    accept({ spread: 20_000 });
    await clock.advance(10_000);
    Socket.last.drop(code);
    assert.equal(retryIn(stream), 750, `only one client has ended: ${code}`);
    await clock.advance(750);
  }
  accept({ spread: 1_000 }).drop();
  assert.equal(retryIn(stream), 1_500);
  stream.close();
});

test("it leaves a server that opens a socket and sends nothing", async () => {
  const { stream } = await page();
  Socket.last.open();
  await clock.advance(35_000);
  assert.equal(stream.state.phase, "waiting");
});

test("a late timer only pings again", async () => {
  const { stream } = await page();
  const socket = accept();
  await clock.advance(25_000);
  clock.sleep(3_600_000);
  await clock.advance(0);
  assert.equal(stream.state.phase, "open");
  assert.equal(socket.sentOf("ping").length, 2);
  // Awake now: the answer is missing.
  await clock.advance(10_000);
  assert.equal(stream.state.phase, "waiting");

  // Asleep before the first ping, and an answer after it.
  await clock.advance(1_000);
  const second = accept();
  clock.sleep(3_600_000);
  await clock.advance(0);
  assert.equal(second.sentOf("ping").length, 1);
  second.receive({ type: "pong" });
  await clock.advance(20_000);
  assert.equal(stream.state.phase, "open");

  // A tab whose timers are always late notices it eventually.
  await clock.advance(5_000);
  clock.sleep(60_000);
  await clock.advance(0);
  clock.sleep(60_000);
  await clock.advance(0);
  assert.equal(stream.state.phase, "waiting");
});

test("a logon makes it reconnect after at least a second", async () => {
  const { stream, messages } = await page({ random: () => 0.5 });
  const socket = accept();
  socket.receive({ type: "renewed" });
  await clock.advance(1_499);
  assert.equal(Socket.all.length, 1);
  socket.receive(text(1));
  await clock.advance(1);
  assert.deepEqual(socket.closedWith, { code: 1000, reason: "" });
  assert.equal(Socket.all.length, 2);
  assert.equal(query(Socket.last).offset, "1");
  accept({ offset: 1 }).receive(text(2));
  assert.deepEqual(messages, ["m1", "m2"]);
  await clock.advance(10_000);
  assert.equal(Socket.all.length, 2);
  assert.equal(stream.state.phase, "open");
});

test("if the connection is lost before that, it connects once", async () => {
  await page();
  accept().receive({ type: "renewed" });
  Socket.last.drop();
  await clock.advance(500);
  accept();
  await clock.advance(10_000);
  assert.equal(Socket.all.length, 2);
});

test("the tolerance after a logon ends when a connection opens", async () => {
  const { fetch } = await page();
  accept().receive({ type: "renewed" });
  await clock.advance(1_000);
  accept();
  fetch.next(403, "down");
  Socket.last.drop();
  await clock.advance(500);
  Socket.last.drop();
  await settle();
  assert.equal(fetch.requests.at(-1), "POST /ws-server/page");
});

for (const status of [403, 409]) {
  test(`a ${status} just after a logon is retried once`, async () => {
    const { stream, fetch, resets } = await page();
    accept().receive({ type: "renewed" });
    await clock.advance(1_000);
    fetch.next(status);
    Socket.last.drop();
    await settle();
    assert.deepEqual([stream.state.phase, stream.state.retryAt - clock.now], ["waiting", 3_000]);
    await clock.advance(3_000);
    assert.equal(Socket.all.length, 3);
    fetch.next(status, "down");
    Socket.last.drop();
    await settle();
    const request = fetch.requests.map((line) => line.split(" ")[0]);
    assert.deepEqual(request, status === 403 ? ["GET", "GET", "POST"] : ["GET", "GET"]);
    assert.deepEqual(resets, []);
  });
}

test("a page that is too old requests a fresh one, once, and reports a reset", async () => {
  const { stream, fetch, resets } = await page();
  fetch.next([403, "too old"], [200, '{"page":"Q","epoch":"F"}']);
  stream.send("a");
  Socket.last.drop();
  await settle();
  assert.deepEqual(fetch.requests, [
    "GET https://site.example/websocket?z_pid=P&client=0&attempt=1&epoch=E&offset=0",
    "POST /ws-server/page",
  ]);
  assert.deepEqual(query(Socket.last), { z_pid: "Q", client: "0", attempt: "2", epoch: "F", offset: "0" });
  assert.equal(stream.page, "Q");
  assert.deepEqual(resets, []);
  accept({ epoch: "F" });
  assert.deepEqual(resets, [{ why: "restart", unconfirmed: [] }]);
  assert.deepEqual(Socket.last.json, [{ type: "text", id: 1, data: "a" }]);

  // It has opened, so it may ask again, but not twice in a row.
  fetch.next(403, [200, '{"page":"R","epoch":"G"}'], [403, "no"]);
  await again();
  Socket.last.drop();
  await settle();
  assert.equal(query(Socket.all.at(-1)).z_pid, "R");
  Socket.last.drop();
  await settle();
  assert.deepEqual(stream.state, { phase: "closed", status: 403, reason: "no", final: true });
  assert.equal(fetch.requests.filter((line) => line.startsWith("POST")).length, 2);
});

test("a fresh page that arrives after the end changes nothing", async () => {
  for (const response of [[200, '{"page":"Q","epoch":"F"}'], 503]) {
    const { stream, fetch } = await page();
    fetch.next(403, response);
    stream.addEventListener("state", ({ detail }) => {
      if (detail.phase === "connecting") queueMicrotask(() => stream.close());
    });
    Socket.last.drop();
    await clock.advance(100_000);
    assert.equal(fetch.requests.length, 2);
    assert.deepEqual([stream.page, stream.state.phase], ["P", "closed"]);
  }
  assert.equal(Socket.all.length, 2);
});

test("unconfirmed messages are reported even if a fresh page loses its epoch too", async () => {
  const { stream, fetch, resets } = await page();
  accept();
  stream.send("a");
  fetch.next(403, [200, '{"page":"Q","epoch":"F"}']);
  Socket.last.drop();
  await clock.advance(500);
  Socket.last.drop();
  await settle();
  accept({ epoch: "G" }).receive({ type: "reset", why: "restart", offset: 0 });
  assert.deepEqual(resets, [{ why: "restart", unconfirmed: ["a"] }]);
  assert.equal(stream.epoch, "G");
});

test("a refused fresh page ends the stream; a temporary failure does not", async () => {
  const { stream, fetch } = await page();
  fetch.next(403, 503, "down", [200, "<html>"], [429, ""], [200, '{"page":"Q","epoch":"F"}']);
  Socket.last.drop();
  for (let i = 0; i < 4; i += 1) {
    await settle();
    assert.equal(Socket.all.length, 1);
    assert.equal(stream.state.phase, "waiting");
    await clock.advance(stream.state.retryAt - clock.now);
  }
  assert.equal(query(Socket.last).z_pid, "Q");

  const other = await page();
  other.fetch.next(403, [403, "no session"]);
  Socket.last.drop();
  await settle();
  const end = { phase: "closed", status: 403, reason: "no session", final: true };
  assert.deepEqual(other.stream.state, end);
});

test("without a URL for fresh pages, 403 and 4409 end the stream", async () => {
  const { stream, fetch } = await page({ fresh: undefined });
  fetch.next(403);
  Socket.last.drop();
  await settle();
  assert.equal(stream.state.final, true);
  const other = await page({ fresh: undefined });
  accept();
  Socket.last.drop(4409);
  assert.equal(other.stream.state.final, true);
});

for (const look of ["show", "focus", "showPage"]) {
  test(`a page that was superseded waits until it is visible: ${look}`, async (t) => {
    const window = browser(t);
    const { stream, fetch, resets } = await page();
    accept().receive(text(1));
    await clock.advance(100);
    stream.send("on the wire");
    Socket.last.drop(4409, "superseded");
    const superseded = { phase: "closed", code: 4409, reason: "superseded", final: false };
    assert.deepEqual(stream.state, superseded);
    stream.send("later");
    await window.online(true);
    await window.show(false);
    await window.focus();
    await clock.advance(1_000_000);
    assert.equal(Socket.all.length, 1);
    fetch.next([200, '{"page":"Q","epoch":"F"}']);
    window.document.hidden = false;
    await window[look](true);
    assert.deepEqual(fetch.requests, ["POST /ws-server/page"]);
    assert.equal(query(Socket.last).z_pid, "Q");
    accept({ epoch: "F" });
    assert.deepEqual(resets, [{ why: "restart", unconfirmed: ["on the wire"] }]);
    assert.deepEqual(Socket.last.json, [{ type: "text", id: 1, data: "later" }]);
    Socket.last.receive(text(1));
    await clock.advance(100);
    assert.deepEqual(Socket.last.sentOf("ack"), [{ type: "ack", offset: 1 }]);
  });
}

test("a page that is left sends bye", async (t) => {
  const window = browser(t);
  const { stream } = await page();
  const socket = accept();
  await window.hidePage(false);
  assert.deepEqual(socket.json, [{ type: "bye" }]);
  assert.equal(socket.closedWith.code, 1000);
  assert.equal(stream.state.final, true);
});

test("a page in the back/forward cache keeps its stream", async (t) => {
  const window = browser(t);
  const { stream, messages } = await page();
  const socket = accept();
  socket.receive(text(1));
  stream.send("a");
  await window.hidePage(true);
  assert.deepEqual(socket.sentOf("bye"), []);
  assert.equal(socket.closedWith.code, 1000);
  await clock.advance(1_000_000);
  assert.equal(Socket.all.length, 1);
  await window.showPage(true);
  assert.equal(query(Socket.last).offset, "1");
  accept({ offset: 1, seen: 1 }).receive(text(2));
  assert.deepEqual(messages, ["m1", "m2"]);
  assert.deepEqual(Socket.last.sent, []);
});

test("an open stream is checked when the network or the visibility changes", async (t) => {
  const window = browser(t);
  const { stream } = await page();
  const socket = accept();
  const pings = () => socket.sentOf("ping").length;
  await window.show(true);
  assert.equal(pings(), 1);
  await window.online(false); // It may connect to this machine, and still work.
  assert.equal(pings(), 2);
  socket.receive({ type: "pong" });
  await clock.advance(10_000);
  assert.equal(stream.state.phase, "open");
  await window.online(true);
  await clock.advance(10_000);
  assert.equal(stream.state.phase, "waiting");
});
