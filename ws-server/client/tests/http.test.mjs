// The stream of a page over HTTP: when the client chooses it, its requests, and the way back.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { connectPage } from "../client.js";
import "../http.js"; // so that its import in the client takes no time
import { browser, Clock, settle, Socket } from "./simulation.mjs";

const clock = new Clock();
const TYPE = "application/vnd.ws-server.page.v1";
const WELCOME = { type: "welcome", epoch: "e", offset: 0, seen: 0 };

beforeEach(() => {
  Socket.all = [];
  clock.clear();
});

/** A response whose lines come from the test. */
class Down {
  constructor(signal) {
    const body = new ReadableStream({ start: (controller) => (this.controller = controller) });
    this.response = new Response(body, { headers: { "content-type": TYPE } });
    signal.addEventListener("abort", () => {
      this.aborted = true;
      this.controller.error(signal.reason);
    });
  }

  async write(text) {
    this.controller.enqueue(new TextEncoder().encode(text));
    await settle();
  }

  line = (message) => this.write(`${JSON.stringify(message)}\n`);

  /** The first line, and `welcome`. */
  async open(welcome = WELCOME, limit = 10_000) {
    await this.line({ type: "open", attachment: "T", limit });
    await this.line(welcome);
  }
}

/** A server that answers GETs with `get`, and messages with the statuses in `statuses`, or 204. */
function server(get = 426) {
  const down = [];
  const posts = [];
  const statuses = [];
  const fetch = async (url, init) => {
    fetch.urls.push(`${init.method} ${url}`);
    if (init.method === "GET") {
      if (get === "down") throw new TypeError("network");
      return new Response("", { status: get });
    }
    assert.equal(init.headers["content-type"], TYPE);
    if (!url.includes("&attachment=T")) {
      down.push(new Down(init.signal));
      return down.at(-1).response;
    }
    const { body, keepalive } = init;
    posts.push({ lines: body.split("\n").map((line) => JSON.parse(line)), keepalive });
    const status = (await statuses.shift()) ?? 204;
    if (status === "down") throw new TypeError("network");
    return new Response(null, { status });
  };
  fetch.urls = [];
  return { fetch, down, posts, statuses, answer: (status) => (get = status) };
}

async function open(options, net = server()) {
  const { fetch } = net;
  const given = { page: "P", epoch: "e", WebSocket: Socket, fetch, random: () => 0, ...options };
  const stream = connectPage("ws://site.example/s", given);
  const events = [];
  for (const type of ["push", "message", "reset", "buffered"]) {
    stream.addEventListener(type, ({ detail }) => events.push([type, detail]));
  }
  await settle();
  return { stream, events, ...net };
}

const forced = (net) => open({ transport: "http" }, net);

/** Waits for the next attempt. */
const again = ({ state }) => clock.advance(state.retryAt - clock.now);

/** Fails the handshake, and waits for the next attempt. */
async function fail(stream) {
  Socket.last.drop();
  await settle();
  await again(stream);
}

const text = (id, data) => ({ type: "text", id, data });
const push = (offset) => ({ type: "event", offset, event: "n", data: offset });

test("HTTP follows two handshakes in a row that were not answered", async () => {
  const { stream, down, fetch } = await open({ transport: "auto" });
  await fail(stream);
  assert.equal(down.length, 0);
  await fail(stream);
  assert.equal(down.length, 1);
  assert.equal(Socket.all.length, 2);
  const [{ port }, url] = [new URL(fetch.urls[0].slice(4)), new URL(fetch.urls.at(-1).slice(5))];
  assert.deepEqual([url.protocol, url.port, url.pathname], ["http:", port, "/s"]);
  assert.deepEqual([...url.searchParams.keys()], ["z_pid", "client", "epoch", "offset"]);
  assert.equal(stream.state.phase, "connecting");
  await down[0].open();
  assert.deepEqual(stream.state, { phase: "open", transport: "http" });
});

test("a refusal, a missing network and an answered handshake are no reasons", async () => {
  const net = await open({ transport: "auto" });
  const { stream } = net;
  for (const answer of [503, 429, 409, "down"]) {
    net.answer(answer);
    await fail(stream);
    await fail(stream);
  }
  assert.equal(net.down.length, 0);
  net.answer(426);
  await fail(stream);
  Socket.last.open();
  Socket.last.receive(WELCOME);
  await fail(stream);
  await fail(stream);
  assert.equal(net.down.length, 0);
  await fail(stream);
  assert.equal(net.down.length, 1);
});

test("a stream without `auto` never uses HTTP, and one with `http` always", async () => {
  const never = await open();
  for (let i = 0; i < 4; i += 1) await fail(never.stream);
  assert.equal(never.down.length, 0);
  never.stream.close();
  const before = Socket.all.length;
  const always = await forced();
  await always.down[0].open();
  await clock.advance(3_600_000);
  assert.equal(Socket.all.length, before);
});

test("lines arrive in any pieces", async () => {
  const { stream, down, events } = await forced();
  await down[0].open();
  const line = JSON.stringify({ type: "text", offset: 1, data: "é€" });
  const bytes = new TextEncoder().encode(`${line}\n${JSON.stringify(push(2))}\n`);
  for (const byte of bytes) down[0].controller.enqueue(Uint8Array.of(byte));
  await settle();
  const data = { event: "n", data: 2 };
  assert.deepEqual(events, [["message", "é€"], ["push", data]]);
  assert.equal(stream.offset, 2);
});

test("messages share a request, and requests follow each other", async () => {
  const { stream, down, posts, statuses } = await forced();
  await down[0].open();
  let answer;
  statuses.push(new Promise((resolve) => (answer = resolve)));
  stream.send("a");
  stream.send("b");
  await settle();
  stream.send("c");
  await settle();
  assert.deepEqual(posts.map(({ lines }) => lines), [[text(1, "a"), text(2, "b")]]);
  answer(204);
  await settle();
  assert.deepEqual(posts.at(-1).lines, [text(3, "c")]);
});

test("a request has at most the size that the server accepts, or one message", async () => {
  const { stream, down, posts } = await forced();
  await down[0].open(WELCOME, 250);
  for (const data of ["a", "b", "c", "x".repeat(400), "d"]) stream.send(data);
  await settle();
  assert.deepEqual(posts.map(({ lines }) => lines.map(({ id }) => id)), [[1, 2], [3], [4], [5]]);
});

test("a request that fails reconnects, and its messages are sent again", async () => {
  for (const status of [409, 503, 429, 403, "down"]) {
    const { stream, down, posts, statuses } = await forced();
    await down[0].open();
    statuses.push(status);
    stream.send("a");
    await settle();
    assert.equal(stream.state.phase, "waiting", status);
    assert.ok(down[0].aborted);
    await clock.advance(1_000);
    await down[1].open();
    assert.deepEqual(posts.at(-1).lines, [text(1, "a")]);
    stream.close();
  }
});

test("a message that is too large ends the stream, as over a WebSocket", async () => {
  const { stream, down, statuses } = await forced();
  await down[0].open();
  statuses.push(413);
  stream.send("a");
  await settle();
  assert.deepEqual(stream.state, { phase: "closed", code: 1009, reason: "", final: true });
});

test("the last line is the Close", async () => {
  const { stream, down } = await forced();
  await down[0].open();
  await down[0].line({ type: "close", code: 1008, reason: "no" });
  assert.deepEqual(stream.state, { phase: "closed", code: 1008, reason: "no", final: true });
  const restarted = await forced();
  await restarted.down[0].open();
  await restarted.down[0].line({ type: "close", code: 1012, reason: "" });
  assert.equal(restarted.stream.state.phase, "waiting");
});

test("a refusal of a request ends the stream as that of a handshake", async () => {
  const fetch = async () => new Response("why\n", { status: 400 });
  const { stream } = await open({ transport: "http", fetch });
  assert.deepEqual(stream.state, { phase: "closed", status: 400, reason: "why", final: true });
  const full = async () => new Response("", { status: 503, headers: { "retry-after": "7" } });
  const waiting = await open({ transport: "http", fetch: full });
  assert.ok(waiting.stream.state.retryAt >= clock.now + 7_000);
});

test("a ping of the server is answered, and silence is checked", async () => {
  const { down, posts } = await forced();
  await down[0].open();
  await down[0].line({ type: "ping" });
  assert.deepEqual(posts.at(-1).lines, [{ type: "ping" }]);
  await clock.advance(25_000);
  assert.equal(posts.length, 2);
  await clock.advance(10_000);
  assert.ok(down[0].aborted);
});

test("a response without a line in time is reported, and the next request tells the server", async () => {
  const { stream, down, events, fetch } = await open({ transport: "auto" });
  await fail(stream);
  await fail(stream);
  await clock.advance(9_999);
  assert.deepEqual(events, []);
  await clock.advance(1);
  assert.deepEqual(events, [["buffered", null]]);
  assert.ok(down[0].aborted);
  assert.equal(stream.state.phase, "waiting");
  await again(stream);
  // A WebSocket first.
  assert.equal(Socket.all.length, 3);
  await fail(stream);
  assert.equal(down.length, 2);
  assert.match(fetch.urls.at(-1), /&buffered=1$/);
  await down[1].open();
  stream.send("a");
  await down[1].line({ type: "close", code: 1012, reason: "" });
  await again(stream);
  assert.doesNotMatch(fetch.urls.at(-1), /buffered/);
});

test("a response whose head never arrives is reported too", async () => {
  const fetch = (_, { signal }) =>
    new Promise((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
  const { stream, events } = await open({ transport: "http", fetch });
  await clock.advance(24_999);
  assert.deepEqual(events, []);
  await clock.advance(1);
  assert.deepEqual(events, [["buffered", null]]);
  assert.equal(stream.state.phase, "waiting");
});

/** A stream over HTTP that has received this many pushes. */
async function fallenBack(pushes, net) {
  const opened = await open({ transport: "auto" }, net);
  await fail(opened.stream);
  await fail(opened.stream);
  await opened.down[0].open();
  for (let offset = 1; offset <= pushes; offset += 1) await opened.down[0].line(push(offset));
  return opened;
}

test("a WebSocket that opens takes over, and nothing is lost or repeated", async () => {
  const { stream, down, posts, statuses, events } = await fallenBack(2);
  const before = Socket.all.length;
  await clock.advance(29_000);
  assert.equal(Socket.all.length, before);
  await clock.advance(1_000);
  const socket = Socket.last;
  assert.equal(new URL(socket.url).searchParams.get("offset"), "2");
  assert.deepEqual(stream.state, { phase: "open", transport: "http" });
  // Both directions are in use meanwhile.
  await down[0].line(push(3));
  statuses.push(new Promise(() => {}));
  stream.send("a");
  await settle();
  socket.open();
  await down[0].line({ type: "close", code: 4409, reason: "superseded" });
  stream.send("b");
  assert.deepEqual(stream.state, { phase: "open", transport: "http" });
  socket.receive({ ...WELCOME, offset: 2, seen: 0 });
  assert.deepEqual(stream.state, { phase: "open" });
  assert.deepEqual(socket.json, [
    text(1, "a"),
    text(2, "b"),
    { type: "ack", offset: 3 },
  ]);
  for (const offset of [3, 4]) socket.receive(push(offset));
  assert.deepEqual(events.map(([, { data }]) => data), [1, 2, 3, 4]);
  await clock.advance(3_600_000);
  assert.equal(posts.flatMap(({ lines }) => lines).filter(({ id }) => id === 2).length, 0);
});

test("a probe without an answer leaves the stream as it is, and the next one is later", async () => {
  const { stream, down, events } = await fallenBack(0);
  const before = Socket.all.length;
  const times = [];
  Socket.created = () => times.push(clock.now);
  const start = clock.now;
  for (let i = 0; i < 7; i += 1) {
    await down[0].line({ type: "pong" });
    for (const until = Socket.all.length + 1; Socket.all.length < until; ) {
      await clock.advance(20_000);
      await down[0].line({ type: "pong" });
    }
    Socket.last.drop();
  }
  Socket.created = undefined;
  assert.equal(Socket.all.length, before + 7);
  const delays = times.map((time, i) => Math.round((time - (times[i - 1] ?? start)) / 30_000));
  assert.deepEqual(delays.slice(0, 5), [1, 2, 4, 8, 16]);
  assert.ok(delays.slice(5).every((delay) => delay <= 21), delays);
  assert.deepEqual(stream.state, { phase: "open", transport: "http" });
  assert.deepEqual(events, []);
});

test("a probe that has taken the page and never answers loses nothing", async () => {
  const { stream, down } = await fallenBack(1);
  await clock.advance(30_000);
  await down[0].line({ type: "close", code: 4409, reason: "superseded" });
  stream.send("a");
  assert.equal(stream.state.phase, "open");
  Socket.last.drop();
  assert.equal(stream.state.phase, "waiting");
  await clock.advance(2_000);
  await down[1].open({ ...WELCOME, offset: 1, seen: 0 });
  assert.deepEqual(stream.state, { phase: "open", transport: "http" });
});

test("a probe that has taken the page and fails at once is no other tab", async () => {
  const { stream, down } = await fallenBack(0);
  await clock.advance(30_000);
  Socket.last.drop();
  await clock.advance(1_000);
  await down[0].line({ type: "close", code: 4409, reason: "superseded" });
  assert.equal(stream.state.phase, "waiting");
  stream.close();
  const later = await fallenBack(0);
  await clock.advance(30_000);
  Socket.last.drop();
  await later.down[0].line({ type: "pong" });
  await clock.advance(10_000);
  await later.down[0].line({ type: "close", code: 4409, reason: "superseded" });
  assert.equal(later.stream.state.code, 4409);
});

test("another tab that takes the page is no probe", async () => {
  const { stream, down } = await fallenBack(0);
  await down[0].line({ type: "close", code: 4409, reason: "superseded" });
  assert.equal(stream.state.code, 4409);
});

test("a page that is left sends what waits, and bye", async (t) => {
  const { hidePage } = browser(t);
  const { down, posts, statuses, stream } = await forced();
  await down[0].open();
  statuses.push(new Promise(() => {}));
  stream.send("a");
  await settle();
  stream.send("b");
  await hidePage(false);
  const { lines, keepalive } = posts.at(-1);
  assert.deepEqual(lines, [text(1, "a"), text(2, "b"), { type: "bye" }]);
  assert.equal(keepalive, true);
  assert.ok(down[0].aborted);
});
