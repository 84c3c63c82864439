// Connections to any WebSocket route: when they reconnect, when they end, and what they queue.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { connect, connectPage, RequestError } from "../client.js";
import { responses, browser, Clock, settle, Socket } from "./simulation.mjs";

const clock = new Clock();
const URL_ = "wss://site.example/chat";

beforeEach(() => {
  Socket.all = [];
  Socket.failure = undefined;
  clock.clear();
});

async function open(options) {
  const fetch = responses(426);
  const connection = connect(URL_, { WebSocket: Socket, fetch, random: () => 0, ...options });
  const states = [];
  connection.addEventListener("state", ({ detail }) => states.push(detail));
  await settle();
  return { connection, fetch, states };
}

const wait = ({ state }) => (assert.equal(state.phase, "waiting"), state.retryAt - clock.now);

// Returns the delays of this number of consecutive failures.
async function delays(connection, number) {
  const list = [];
  for (let i = 0; i < number; i += 1) {
    Socket.last.drop();
    await settle();
    list.push(wait(connection));
    await clock.advance(list.at(-1));
  }
  return list;
}

test("it connects in a microtask, to a URL of any form", async (t) => {
  browser(t);
  connect("../chat?a=b#c", { WebSocket: Socket, protocols: ["x", "y"] });
  assert.equal(Socket.all.length, 0);
  await Promise.resolve();
  assert.equal(Socket.last.url, "wss://site.example/chat?a=b");
  assert.deepEqual(Socket.last.protocols, ["x", "y"]);
  connect(new URL("http://other.example:81/"), { WebSocket: Socket });
  await settle();
  assert.equal(Socket.last.url, "ws://other.example:81/");
  assert.equal(Socket.last.protocols, undefined);
  assert.throws(() => connect("http://"), TypeError);
});

test("the states follow each other, and are frozen", async () => {
  const { connection, states } = await open();
  assert.equal(connection.state, states[0]);
  Socket.last.open();
  Socket.last.drop(1001);
  const retryAt = clock.now + 500;
  await clock.advance(500);
  Socket.last.open();
  Socket.last.drop(1000, "done");
  assert.deepEqual(states, [
    { phase: "connecting" },
    { phase: "open" },
    { phase: "waiting", retryAt },
    { phase: "connecting" },
    { phase: "open" },
    { phase: "closed", code: 1000, reason: "done", final: true },
  ]);
  assert.ok(states.every(Object.isFrozen));
});

test("messages sent before the connection is open wait, in order", async () => {
  const { connection } = await open();
  connection.send("a");
  connection.send(new Uint8Array([1, 2]));
  Socket.last.open();
  connection.send({ c: 3 });
  assert.deepEqual(Socket.last.sent, ["a", new Uint8Array([1, 2]), '{"c":3}']);
  assert.throws(() => connection.send(undefined), TypeError);
  Socket.last.drop();
  connection.send("d");
  await clock.advance(500);
  Socket.last.open();
  assert.deepEqual(Socket.last.sent, ["d"]);
});

test("the queue is bounded only while the connection is not open", async () => {
  const { connection } = await open({ queue: 2, queueBytes: 5 });
  connection.send("1");
  connection.send("2");
  assert.throws(() => connection.send("3"), RangeError);
  Socket.last.open();
  for (const text of ["4", "longer than five", "5"]) connection.send(text);
  assert.deepEqual(Socket.last.sent, ["1", "2", "4", "longer than five", "5"]);
  Socket.last.drop();
  connection.send("1234");
  assert.throws(() => connection.send("56"), RangeError);
});

test("messages arrive unchanged", async () => {
  const { connection } = await open();
  const messages = [];
  connection.addEventListener("message", ({ detail }) => messages.push(detail));
  Socket.last.open();
  assert.equal(Socket.last.binaryType, "arraybuffer");
  Socket.last.receive("text");
  Socket.last.receive('{"type":"welcome"}');
  Socket.last.receive('{"answer":1}');
  Socket.last.receive(new Uint8Array([7]).buffer);
  assert.deepEqual(messages, ["text", '{"type":"welcome"}', '{"answer":1}', new Uint8Array([7])]);
  assert.deepEqual(Socket.last.sent, []);
});

test("a request fails with the connection that sent it, and waits if none did", async () => {
  const { connection } = await open();
  Socket.last.open();
  const [first, second] = [connection.request("a"), connection.request("b")];
  assert.equal(Socket.last.sent[0], '{"call":1,"body":"a"}');
  Socket.last.receive('{"answer":1,"ok":[1]}');
  assert.deepEqual(await first, [1]);
  Socket.last.drop();
  await assert.rejects(second, (error) => error instanceof RequestError && error.kind === "closed");
  const third = connection.request("c");
  await clock.advance(500);
  Socket.last.open();
  assert.deepEqual(Socket.last.sent, ['{"call":3,"body":"c"}']);
  Socket.last.receive('{"answer":3,"error":null}');
  await assert.rejects(third, { kind: "answer", error: null });
});

test("each attempt waits longer, within its bounds", async () => {
  const low = await open();
  const lowest = [500, 1_000, 2_000, 4_000, 7_500, 7_500];
  assert.deepEqual(await delays(low.connection, 6), lowest);
  const high = await open({ random: () => 1 - Number.EPSILON });
  const highest = [1_000, 2_000, 4_000, 8_000, 15_000, 15_000];
  assert.deepEqual((await delays(high.connection, 6)).map(Math.round), highest);
  const own = await open({ minDelay: 10, maxDelay: 100 });
  assert.deepEqual(await delays(own.connection, 5), [10, 20, 40, 50, 50]);
});

test("the back-off ends after a lasting connection, not when one opens", async () => {
  const { connection } = await open();
  const connected = async (time) => {
    Socket.last.open();
    await clock.advance(time);
    return (await delays(connection, 1))[0];
  };
  assert.equal(await connected(0), 500);
  assert.equal(await connected(0), 1_000);
  assert.equal(await connected(9_999), 2_000);
  assert.equal(await connected(10_000), 500);
});

test("a plain GET fetches the reason of a refusal", async (t) => {
  for (const passing of [426, 409, 408, 429, 500, 503, 200, "down"]) {
    await t.test(`${passing}: tries again`, async () => {
      const { connection, fetch } = await open();
      fetch.next(passing);
      Socket.last.drop();
      await settle();
      assert.deepEqual(fetch.requests, ["GET https://site.example/chat"]);
      assert.equal(fetch.inits[0].cache, "no-store");
      assert.equal(wait(connection), 500);
      await clock.advance(500);
      assert.equal(Socket.all.length, 2);
    });
  }
  for (const final of [400, 401, 403, 404, 410]) {
    await t.test(`${final}: closes for good`, async () => {
      const { connection, fetch } = await open();
      const request = assert.rejects(connection.request(1), { kind: "closed" });
      fetch.next([final, "y".repeat(300)]);
      Socket.last.drop();
      await settle();
      assert.deepEqual(connection.state, {
        phase: "closed",
        status: final,
        reason: "y".repeat(200),
        final: true,
      });
      await request;
      await clock.advance(1_000_000);
      assert.equal(Socket.all.length, 1);
    });
  }
});

test("it waits for the time in `retry-after`", async () => {
  const { connection, fetch } = await open();
  fetch.next([503, "", { "retry-after": "60" }]);
  Socket.last.drop();
  await settle();
  assert.equal(wait(connection), 60_500);
  await clock.advance(60_500);
  fetch.next([503, "", { "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }]);
  Socket.last.drop();
  await settle();
  assert.equal(wait(connection), 1_000);
  await clock.advance(1_000);
  fetch.next([429, "", { "retry-after": "99999999999" }]);
  Socket.last.drop();
  await clock.advance(1_000_000);
  assert.equal(Socket.all.length, 3);
});

test("it waits for the time in the reason of a close, and as always", async () => {
  for (const [code, reason, delay] of [
    [1012, "retry=70", 570],
    [1012, "retry=0", 500],
    [1012, "retry=soon", 500],
    [1012, "restart", 500],
    [1001, "", 500],
  ]) {
    const { connection } = await open();
    Socket.last.open();
    Socket.last.drop(code, reason);
    assert.equal(wait(connection), delay, `${code} ${reason}`);
  }
});

test("the close code decides whether it reconnects", async (t) => {
  for (const code of [1001, 1005, 1006, 1011, 1012, 1013]) {
    await t.test(`${code}: reconnects`, async () => {
      const { connection, fetch } = await open();
      Socket.last.open();
      Socket.last.drop(code);
      assert.equal(wait(connection), 500);
      await clock.advance(500);
      assert.equal(Socket.all.length, 2);
      assert.deepEqual(fetch.requests, []);
    });
  }
  for (const code of [1000, 1003, 1007, 1008, 1009, 3000, 4000, 4401, 4409, 4999]) {
    for (const make of [connect, connectPage]) {
      await t.test(`${code}: does not reconnect (${make.name})`, async () => {
        const connection = make(URL_, { WebSocket: Socket, page: "P" });
        await settle();
        Socket.last.open();
        Socket.last.drop(code, "why");
        assert.deepEqual(connection.state, { phase: "closed", code, reason: "why", final: true });
        await clock.advance(1_000_000);
        assert.equal(Socket.all.length, 1);
        assert.throws(() => connection.send(""), { name: "InvalidStateError" });
      });
    }
  }
});

test("a handshake that hangs times out", async () => {
  const { connection } = await open();
  await clock.advance(24_999);
  assert.equal(connection.state.phase, "connecting");
  await clock.advance(1);
  assert.equal(connection.state.phase, "waiting");
});

test("a socket that the browser forbids closes the connection for good", async () => {
  Socket.failure = new DOMException("insecure", "SecurityError");
  const { connection } = await open();
  assert.deepEqual(connection.state, { phase: "closed", reason: "insecure", final: true });
});

test("closing while the reason is fetched ends the connection", async () => {
  const { connection, states } = await open();
  Socket.last.drop();
  connection.close();
  await clock.advance(100_000);
  assert.equal(Socket.all.length, 1);
  assert.equal(states.at(-1).phase, "closed");
});

test("closing before it connects ends the connection", async () => {
  const connection = connect(URL_, { WebSocket: Socket });
  connection.addEventListener("state", () => connection.close(), { once: true });
  await settle();
  assert.equal(Socket.all.length, 0);
  assert.equal(connection.state.phase, "closed");
});

test("a connection that is closed for good has no listeners left", async (t) => {
  const { document } = browser(t);
  const signals = [];
  const add = (type, listener, { signal }) => signals.push(signal);
  t.mock.method(globalThis, "addEventListener", add);
  t.mock.method(document, "addEventListener", add);
  const { connection } = await open();
  assert.equal(signals.length, 6);
  assert.ok(signals.every(({ aborted }) => !aborted));
  connection.close();
  assert.ok(signals.every(({ aborted }) => aborted));
});

test("there is no heartbeat, and no bye", async (t) => {
  const window = browser(t);
  const { connection } = await open();
  Socket.last.open();
  await clock.advance(1_000_000);
  await window.show(true);
  await window.online(false);
  await clock.advance(1_000_000);
  assert.equal(connection.state.phase, "open");
  await window.hidePage(false);
  assert.deepEqual(Socket.last.sent, []);
  assert.equal(Socket.last.closedWith.code, 1000);
});

test("without a network it does not connect; it connects at once when the network is back", async (t) => {
  const window = browser(t);
  const { connection } = await open();
  await clock.advance(10_000);
  Socket.last.open();
  Socket.last.drop();
  assert.equal(connection.state.phase, "waiting");
  await window.online(false);
  assert.deepEqual(connection.state, { phase: "offline" });
  await clock.advance(1_000_000);
  assert.equal(Socket.all.length, 1);
  await window.online(true);
  assert.equal(Socket.all.length, 2);
  await window.online(false);
  Socket.last.drop();
  await settle();
  assert.deepEqual(connection.state, { phase: "offline" });
});

test("when the page becomes visible, it connects at once, but not twice in a second", async (t) => {
  const window = browser(t);
  const { connection } = await open({ minDelay: 20_000 });
  Socket.last.drop();
  await clock.advance(5_000);
  await window.show(false);
  assert.equal(Socket.all.length, 1);
  await window.show(true);
  assert.equal(Socket.all.length, 2);
  Socket.last.drop();
  await clock.advance(400);
  await window.show(true);
  assert.equal(Socket.all.length, 2);
  assert.equal(wait(connection), 600);
  await clock.advance(600);
  assert.equal(Socket.all.length, 3);
  connection.close();
  await window.show(true);
  await window.online(true);
  assert.equal(Socket.all.length, 3);
});
