// A stream over HTTP: how it returns to a WebSocket.
import assert from "node:assert/strict";
import { test } from "node:test";
import { again, clock, fail, fallenBack, push, RECONNECTED } from "./http_kit.mjs";
import { SUPERSEDED, text, WELCOME } from "./http_kit.mjs";
import { settle, Socket } from "./simulation.mjs";

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
  await down[0].line(RECONNECTED);
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
  await down[0].line(RECONNECTED);
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
  await down[0].line(RECONNECTED);
  assert.equal(stream.state.phase, "waiting");
});

test("another tab that takes the page is no probe, not even during one", async () => {
  const superseded = { phase: "closed", code: 4409, reason: SUPERSEDED.reason, final: true };
  const { stream, down } = await fallenBack(0);
  await down[0].line(SUPERSEDED);
  assert.deepEqual(stream.state, superseded);

  const during = await fallenBack(0);
  await clock.advance(30_000);
  const probe = Socket.last;
  await during.down[0].line(SUPERSEDED);
  assert.equal(probe.readyState, 0, "it may have taken the page from the other tab");
  probe.drop();
  assert.deepEqual(during.stream.state, superseded);
});

test("a probe that takes the page from a duplicate of the tab keeps it: one of both has it", async () => {
  const { stream, down, events } = await fallenBack(0);
  await clock.advance(30_000);
  const probe = Socket.last;
  // The handshake is on its way when the duplicate takes the page.
  await down[0].line(SUPERSEDED);
  probe.open();
  probe.receive(WELCOME);
  assert.deepEqual(stream.state, { phase: "open" });
  probe.receive(push(1));
  assert.deepEqual(events.at(-1), ["push", { event: "n", data: 1 }]);
  stream.send("a");
  assert.deepEqual(probe.sent.map((sent) => JSON.parse(sent)), [text(1, "a")]);
});

test("responses that are shorter than the delay do not postpone a probe", async () => {
  const opened = await fallenBack(0);
  const { stream, down } = opened;
  const sockets = Socket.all.length;
  const start = clock.now;
  await clock.advance(20_000);
  await down[0].line({ type: "close", code: 1012, reason: "" });
  await again(stream);
  await down[1].open();
  await clock.advance(start + 29_999 - clock.now);
  assert.equal(Socket.all.length, sockets);
  await clock.advance(1);
  assert.equal(Socket.all.length, sockets + 1);
  Socket.last.drop();
  // The second one is due while no stream is open.
  await clock.advance(20_000);
  await down[1].line({ type: "ping" });
  await down[1].line({ type: "close", code: 1012, reason: "retry=50000" });
  await again(stream);
  await down[2].open();
  await clock.advance(0);
  assert.equal(Socket.all.length, sockets + 2);
});

test("the delays of probes begin again after a WebSocket", async () => {
  const { stream, down } = await fallenBack(0);
  for (const delay of [30_000, 60_000]) {
    await clock.advance(delay / 2);
    await down[0].line({ type: "pong" });
    await clock.advance(delay / 2);
    if (delay === 30_000) Socket.last.drop();
    await down[0].line({ type: "pong" });
  }
  Socket.last.open();
  Socket.last.receive(WELCOME);
  assert.deepEqual(stream.state, { phase: "open" });
  for (let i = 0; i < 3; i += 1) await fail(stream);
  const sockets = Socket.all.length;
  await down[1].open();
  await clock.advance(29_999);
  assert.equal(Socket.all.length, sockets);
  await clock.advance(1);
  assert.equal(Socket.all.length, sockets + 1);
});
