// Connections are cut at any point: in both directions no message is lost, duplicated or reordered.
//
// A server that implements the protocol talks to the client over connections that deliver some of
// the messages of each side and are then cut. `SEED=n` repeats one case.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectPage } from "../client.js";
import "../http.js"; // so that its import in the client takes no time
import { Clock, settle, Socket } from "./simulation.mjs";

const clock = new Clock();
const SEEDS = 200;
const STEPS = 400;

// mulberry32
function randomness(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The server's state of one page. */
class Server {
  epoch = "e1";
  accepted = []; // [epoch, data] of the page's messages
  pushed = { e1: [] }; // queued messages, by epoch
  seen = 0;
  #queue = []; // not acknowledged
  #offset = 0;
  #acked = 0;
  #written = 0;
  line; // the newest connection; messages of older ones are ignored

  push(data) {
    this.#offset += 1;
    this.#queue.push({ offset: this.#offset, data });
    this.pushed[this.epoch].push(data);
    this.#write();
  }

  restart() {
    this.epoch = `e${Number(this.epoch.slice(1)) + 1}`;
    this.pushed[this.epoch] = [];
    this.#queue = [];
    this.seen = this.#offset = this.#acked = 0;
    this.line = undefined;
  }

  attach(line, query) {
    this.line?.supersede();
    this.line = line;
    const same = query.epoch === this.epoch;
    const from = same ? Number(query.offset) : 0;
    assert.ok(from <= this.#offset, "the page claims what was never sent");
    if (same) this.#acknowledge(from);
    line.say({ type: "welcome", epoch: this.epoch, offset: from, seen: this.seen });
    if (!same) line.say({ type: "reset", why: "restart", offset: 0 });
    this.#written = this.#acked;
    this.#write();
  }

  hear(message) {
    if (message.type === "ack") {
      assert.ok(message.offset <= this.#written, "an ack of what was not sent");
      this.#acknowledge(message.offset);
    } else if (message.type === "text" || message.type === "binary") {
      assert.ok(message.id <= this.seen + 1, "an id leaves one out");
      if (message.id === this.seen + 1) {
        this.seen += 1;
        const { type, data } = message;
        this.accepted.push([this.epoch, type === "text" ? data : atob(data)]);
      }
      this.line.say({ type: "seen", id: this.seen });
    } else {
      assert.equal(message.type, "ping");
      this.line.say({ type: "pong" });
    }
  }

  #acknowledge(offset) {
    this.#acked = Math.max(this.#acked, offset);
    this.#queue = this.#queue.filter((entry) => entry.offset > this.#acked);
  }

  #write() {
    if (!this.line) return;
    for (const { offset, data } of this.#queue) {
      if (offset <= this.#written || offset > this.#acked + 256) continue;
      this.line.say({ type: "text", offset, data });
      this.#written = offset;
    }
  }
}

/** One connection: messages that each side has sent and the other has not received yet. */
class Line {
  up = [];
  down = [];
  opened = false;
  ended = false;

  constructor(socket, server) {
    Object.assign(this, { socket, server });
    socket.onsent = (text, done) => this.up.push({ ...JSON.parse(text), done });
  }

  /** The server tells a stream over HTTP; sockets do not notice. */
  supersede() {
    if (!this.ended) this.socket.supersede?.();
  }

  say(message) {
    this.down.push(message);
  }

  open() {
    this.opened = true;
    this.socket.open();
    this.server.attach(this, Object.fromEntries(new URL(this.socket.url).searchParams));
  }

  deliverUp() {
    const message = this.up.shift();
    if (!message) return;
    if (this.server.line === this) this.server.hear(message);
    message.done?.(this.server.line === this);
  }

  deliverDown() {
    const message = this.down.shift();
    if (message && !this.ended) this.socket.receive(message);
  }

  // One or both sides may notice it; messages in flight may arrive or not.
  cut(random) {
    this.ended = true;
    this.socket.cut?.();
    for (let n = Math.floor(random() * (this.up.length + 1)); n > 0; n -= 1) this.deliverUp();
    if (this.server.line === this) this.server.line = undefined;
    if (this.socket.readyState < 3) this.socket.drop(1006);
  }
}

/** A stream over HTTP whose requests and lines come from the test; a socket as far as a line uses it. */
class Exchange {
  readyState = 0;
  posts = new Set();

  constructor(url, signal) {
    this.url = url;
    this.response = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    signal.addEventListener("abort", () => this.drop());
  }

  open() {
    this.readyState = 1;
    const body = new ReadableStream({ start: (controller) => (this.controller = controller) });
    const type = "application/vnd.ws-server.page.v1";
    this.resolve(new Response(body, { headers: { "content-type": type } }));
    this.receive({ type: "open", attachment: "T", limit: 400 });
  }

  receive(message) {
    if (this.readyState !== 1) return;
    this.controller.enqueue(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  }

  supersede() {
    this.receive({ type: "close", code: 4409, reason: "reconnected" });
  }

  /** Messages are read one by one, and the response follows the last. */
  post(body) {
    return new Promise((resolve, reject) => {
      this.posts.add(reject);
      const lines = body.split("\n");
      const done = (isRead) => resolve(new Response(null, { status: isRead ? 204 : 409 }));
      if (this.readyState !== 1) done(false);
      for (const [index, text] of lines.entries()) {
        this.onsent(text, index === lines.length - 1 ? done : undefined);
      }
    });
  }

  cut() {
    for (const reject of this.posts) reject(new TypeError("network"));
  }

  drop() {
    this.cut();
    if (this.readyState === 1) this.controller.error(new TypeError("network"));
    this.reject(new TypeError("network"));
    this.readyState = 3;
  }
}

/** Answers GETs with 426, and POSTs with exchanges. */
function network(created) {
  let exchange;
  return async (url, { method, signal, body }) => {
    if (method === "GET") return new Response("", { status: 426 });
    if (url.includes("&attachment=")) return exchange.post(body);
    exchange = new Exchange(url, signal);
    created(exchange);
    return exchange.response;
  };
}

async function run(seed) {
  const random = randomness(seed);
  const chance = (p) => random() < p;
  const restarts = chance(0.5);
  // In some of these, handshakes are blocked at times.
  const transport = ["websocket", "auto", "http"][Math.floor(random() * 3)];
  let blocked = chance(0.5);
  clock.clear();
  Socket.all = [];
  const server = new Server();
  const lines = [];
  const created = (socket) => lines.push(new Line(socket, server));
  Socket.created = created;
  const stream = connectPage("ws://site.example/", {
    page: "P",
    epoch: "e1",
    WebSocket: Socket,
    fetch: network(created),
    transport,
    probeDelay: 2_000,
    random,
    queue: 10_000,
  });
  const sent = [];
  const reported = []; // unconfirmed messages of all resets
  const received = {}; // by epoch
  stream.addEventListener("message", ({ detail }) => {
    (received[stream.epoch] ??= []).push(detail);
    if (chance(0.1)) send(); // A listener may send.
  });
  stream.addEventListener("reset", ({ detail }) => reported.push(...detail.unconfirmed));

  function send() {
    const text = `c${sent.length}`;
    sent.push(text);
    stream.send(chance(0.2) ? new TextEncoder().encode(text) : text);
  }

  function open(line) {
    if (transport === "auto" && blocked && line.socket instanceof Socket) line.cut(random);
    else line.open();
  }

  const steps = {
    send: [3, send],
    push: [3, () => server.push(`s${server.pushed[server.epoch].length}`)],
    up: [6, () => lines.at(-1)?.opened && lines.at(-1).deliverUp()],
    down: [6, () => lines.at(-1)?.deliverDown()],
    old: [1, () => lines.at(-2)?.deliverDown()],
    open: [4, () => lines.at(-1)?.socket.readyState === 0 && open(lines.at(-1))],
    block: [transport === "auto" ? 0.3 : 0, () => (blocked = !blocked)],
    cut: [1, () => lines.at(-1) && !lines.at(-1).ended && lines.at(-1).cut(random)],
    restart: [restarts ? 0.2 : 0, () => server.restart()],
    time: [3, () => clock.advance(random() * 700)],
    long: [0.3, () => clock.advance(random() * 40_000)],
  };
  const weights = Object.values(steps);
  const total = weights.reduce((sum, [weight]) => sum + weight, 0);
  await settle();
  for (let i = 0; i < STEPS; i += 1) {
    let at = random() * total;
    await weights.find(([weight]) => (at -= weight) < 0)[1]();
  }

  // From now on the network is reliable.
  blocked = false;
  const isBack = () => transport === "http" || !stream.state.transport;
  for (let i = 0; i < 100 || (i < 2_000 && !isBack()); i += 1) {
    await clock.advance(1_000);
    const line = lines.at(-1);
    if (line.socket.readyState === 0) line.open();
    else if (line.server.line !== line && !line.ended) line.cut(random);
    for (let busy = true; busy; ) {
      while (line.up.length || line.down.length) {
        line.deliverUp();
        line.deliverDown();
      }
      await settle();
      busy = line === lines.at(-1) && (line.up.length || line.down.length);
    }
  }
  if (transport !== "http") assert.deepEqual(stream.state, { phase: "open" });
  stream.close();

  // Within an epoch all messages arrive, once and in order. If it has ended, a prefix arrives.
  for (const [epoch, list] of Object.entries(received)) {
    assert.deepEqual(list, server.pushed[epoch].slice(0, list.length), epoch);
  }
  assert.deepEqual(received[server.epoch] ?? [], server.pushed[server.epoch], "to the page");

  const accepted = server.accepted.map(([, data]) => data);
  const decoder = new TextDecoder();
  const names = reported.map((value) => (typeof value === "string" ? value : decoder.decode(value)));
  const number = (name) => Number(name.slice(1));
  assert.deepEqual(accepted, [...accepted].sort((a, b) => number(a) - number(b)), "in order");
  assert.equal(new Set(accepted).size, accepted.length, "once");
  assert.equal(new Set(names).size, names.length, "reported once");
  const known = new Set([...accepted, ...names]);
  assert.deepEqual(sent.filter((name) => !known.has(name)), [], "all of it arrives, or is reported");
  if (!restarts) assert.deepEqual(names, []);
  const pushed = Object.values(server.pushed).flat().length;
  const overHttp = lines.filter(({ socket }) => socket instanceof Exchange && socket.controller);
  const counts = { sent: sent.length, pushed, reported: names.length };
  return { ...counts, connections: lines.length, overHttp: overHttp.length };
}

test("lost connections at any point lose and duplicate no message", { timeout: 300_000 }, async (t) => {
  const first = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  const number = process.env.SEED ? 1 : SEEDS;
  t.diagnostic(`seeds ${first} to ${first + number - 1}`);
  const sums = {};
  for (let seed = first; seed < first + number; seed += 1) {
    try {
      const counts = await run(seed);
      for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
    } catch (error) {
      error.message = `SEED=${seed}: ${error.message}`;
      throw error;
    }
  }
  t.diagnostic(JSON.stringify(sums));
});
