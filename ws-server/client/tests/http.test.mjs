// The stream of a page over HTTP: when the client chooses it, and its requests.
import assert from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { again, clock, fail, forced, open, push, server, text, WELCOME } from "./http_kit.mjs";
import { settle, Socket } from "./simulation.mjs";

test("HTTP follows two handshakes in a row that were not answered", async () => {
  const { stream, down, fetch } = await open({ transport: "auto" });
  await fail(stream);
  assert.equal(down.length, 0);
  await fail(stream);
  assert.equal(down.length, 1);
  assert.equal(Socket.all.length, 2);
  const [{ port }, url] = [new URL(fetch.urls[0].slice(4)), new URL(fetch.urls.at(-1).slice(5))];
  assert.deepEqual([url.protocol, url.port, url.pathname], ["http:", port, "/s"]);
  assert.deepEqual([...url.searchParams.keys()], ["z_pid", "client", "attempt", "epoch", "offset"]);
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

/** A stream whose next attempt uses HTTP. */
async function blocked(openings, net = server()) {
  net.openings.push(...openings);
  const opened = await open({ transport: "auto" }, net);
  await fail(opened.stream);
  await fail(opened.stream);
  return opened;
}

test("two requests in a row that do not open a stream lead back to a WebSocket", async () => {
  for (const openings of [[502, 504], [503, "down"], ["down", "down"]]) {
    Socket.all = [];
    const { stream, down, openings: left } = await blocked(openings);
    assert.equal(left.length, 1);
    await again(stream);
    assert.deepEqual([left.length, Socket.all.length], [0, 2]);
    await again(stream);
    assert.deepEqual([down.length, Socket.all.length], [0, 3], openings);
    // A network that still blocks it: HTTP is next.
    await fail(stream);
    assert.deepEqual([down.length, Socket.all.length], [1, 3]);
    stream.close();
  }
});

test("requests that fail between streams that open are not counted together", async () => {
  const { stream, down, openings } = await blocked([502]);
  for (let i = 0; i < 3; i += 1) {
    await again(stream);
    await down[i].open();
    openings.push(502);
    await down[i].line({ type: "close", code: 1012, reason: "" });
    await again(stream);
  }
  assert.deepEqual([down.length, Socket.all.length], [3, 2]);
});

test("a request that nothing takes leads back to a WebSocket at once", async () => {
  for (const status of [405, 415, 200, 302, 426]) {
    Socket.all = [];
    const { stream, down } = await blocked([status]);
    assert.equal(stream.state.phase, "waiting", status);
    await again(stream);
    assert.equal(Socket.all.length, 3, status);
    await fail(stream);
    assert.deepEqual([down.length, Socket.all.length], [0, 4]);
    await fail(stream);
    assert.deepEqual([down.length, Socket.all.length], [1, 4]);
    stream.close();
  }
  const { openings, ...net } = server();
  openings.push(405);
  const { stream } = await forced({ openings, ...net });
  assert.deepEqual(stream.state, { phase: "closed", status: 405, reason: "why", final: true });
});

test("a client that cannot load its code for HTTP tries a WebSocket again", async (t) => {
  const directory = await mkdtemp(join(tmpdir(), "ws-server-client-"));
  t.after(() => rm(directory, { recursive: true }));
  await copyFile(new URL("../client.js", import.meta.url), join(directory, "client.mjs"));
  const { connectPage } = await import(join(directory, "client.mjs"));
  const { fetch, down } = server();
  const options = { page: "P", epoch: "e", WebSocket: Socket, fetch, transport: "auto" };
  const stream = connectPage("ws://site.example/s", options);
  await settle();
  await fail(stream);
  await fail(stream);
  while (stream.state.phase === "connecting") await settle();
  assert.deepEqual([down.length, Socket.all.length], [0, 2]);
  await again(stream);
  assert.equal(Socket.all.length, 3);
  Socket.last.open();
  Socket.last.receive(WELCOME);
  assert.deepEqual(stream.state, { phase: "open" });
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
  for (const status of [409, 408, 403, 502, "down"]) {
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

test("a request that the server cannot take now is repeated with its number, over the same stream", async () => {
  for (const status of [503, 429]) {
    const { stream, down, posts, statuses } = await forced();
    await down[0].open();
    statuses.push(status, status);
    stream.send("a");
    await settle();
    stream.send("b");
    await down[0].line(push(1));
    assert.equal(stream.offset, 1, "the stream goes on");
    await clock.advance(999);
    assert.equal(posts.length, 1);
    await clock.advance(1_001);
    await settle();
    const sent = posts.map(({ lines, number }) => [number, ...lines.map(({ id, type }) => id ?? type)]);
    assert.deepEqual(sent, [["1", 1], ["1", 1], ["1", 1], ["2", 2, "ack"]], status);
    assert.equal(stream.state.phase, "open");
    assert.ok(!down[0].aborted);
    assert.equal(down.length, 1);
    stream.close();
  }
});

test("a request waits for as long as the server asks for, and for no stream that has ended", async () => {
  const { stream, down, posts, statuses } = await forced();
  await down[0].open();
  statuses.push([503, 7]);
  stream.send("a");
  await settle();
  await clock.advance(6_999);
  assert.equal(posts.length, 1);
  await clock.advance(1);
  assert.equal(posts.length, 2);
  statuses.push(503);
  stream.send("b");
  await settle();
  await down[0].line({ type: "close", code: 1012, reason: "" });
  await clock.advance(1_000);
  await down[1].open({ ...WELCOME, seen: 1 });
  assert.deepEqual(posts.slice(3).map(({ lines }) => lines), [[text(2, "b")]]);
  stream.close();
});

test("the last messages of a page are repeated too", async () => {
  const { stream, down, posts, statuses } = await forced();
  await down[0].open();
  statuses.push(503);
  stream.send("a");
  await settle();
  statuses.push(503);
  stream.close();
  await settle();
  await clock.advance(1_000);
  const sent = posts.map(({ lines, number }) => [number, ...lines.map(({ id, type }) => id ?? type)]);
  // Another request, so another number.
  assert.deepEqual(sent, [["1", 1], ["2", 1, "bye"], ["2", 1, "bye"]]);
  assert.ok(down[0].aborted);
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
