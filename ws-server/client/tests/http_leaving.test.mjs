// A stream over HTTP whose page is closed: its last messages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, fallenBack, forced, RECONNECTED, text, WELCOME } from "./http_kit.mjs";
import { browser, settle, Socket } from "./simulation.mjs";

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

const BYE = { type: "bye" };

test("the last messages are sent in requests that the server accepts, one after the other", async () => {
  const { down, posts, statuses, stream } = await forced();
  await down[0].open(WELCOME, 250);
  let answer;
  statuses.push(new Promise(() => {}), new Promise((resolve) => (answer = resolve)));
  for (const data of ["a", "b", "c"]) stream.send(data);
  await settle();
  stream.send("x".repeat(400));
  stream.close();
  await settle();
  const sent = () => posts.map(({ lines }) => lines.map(({ id, type }) => id ?? type));
  assert.deepEqual(sent(), [[1, 2], [1, 2]]);
  assert.ok(!down[0].aborted, "the server would not take the other messages");
  answer(204);
  await settle();
  assert.deepEqual(sent(), [[1, 2], [1, 2], [3], [4], ["bye"]]);
  assert.ok(posts.slice(1).every(({ keepalive }) => keepalive));
  assert.ok(down[0].aborted);
});

test("a request that may outlive its page is no larger than browsers allow", async () => {
  const { down, posts, statuses, stream } = await forced();
  await down[0].open(WELCOME, 1_000_000);
  statuses.push(new Promise(() => {}));
  for (const data of ["a", "b".repeat(8_000), "c".repeat(8_000), "d".repeat(20_000)]) stream.send(data);
  await settle();
  stream.close();
  await settle();
  const last = posts.slice(1);
  assert.deepEqual(last.map(({ lines }) => lines.length), [2, 1, 1, 1]);
  assert.deepEqual(last.map(({ keepalive }) => keepalive), [true, true, false, true]);
});

/** A stream over HTTP during a probe, with one message in a request that is not answered. */
async function probing() {
  const opened = await fallenBack(0);
  await clock.advance(30_000);
  opened.statuses.push(new Promise(() => {}));
  opened.stream.send("a");
  await settle();
  return { ...opened, probe: Socket.last };
}

test("a page that is closed during a probe says bye by a request", async () => {
  const { stream, posts, probe } = await probing();
  stream.close();
  assert.deepEqual(stream.state, { phase: "closed", code: 1000, reason: "", final: true });
  await settle();
  assert.deepEqual(posts.at(-1).lines, [text(1, "a"), BYE]);
  assert.equal(probe.readyState, 3, "the page is not taken again");
});

test("if a probe has taken the page that is closed, the probe says bye", async () => {
  const { stream, statuses, probe } = await probing();
  statuses.push(409);
  stream.close(4000, "over");
  await settle();
  probe.open();
  assert.deepEqual(probe.json, []);
  probe.receive(WELCOME);
  assert.deepEqual(probe.json, [text(1, "a"), BYE]);
  assert.deepEqual(probe.closedWith, { code: 4000, reason: "over" });
});

test("a page whose stream has ended for a probe loses nothing when it is closed", async () => {
  const { stream, down, posts, probe } = await probing();
  await down[0].line(RECONNECTED);
  stream.send("b");
  const before = posts.length;
  stream.close();
  await settle();
  assert.equal(posts.length, before);
  probe.open();
  probe.receive(WELCOME);
  assert.deepEqual(probe.json, [text(1, "a"), text(2, "b"), BYE]);
});

test("messages of an earlier epoch are not repeated by a probe that says bye", async () => {
  const { stream, statuses, probe } = await probing();
  statuses.push("down");
  stream.close();
  await settle();
  probe.open();
  probe.receive({ ...WELCOME, epoch: "f" });
  assert.deepEqual(probe.json, [BYE]);
});

test("a stream that is given up during a probe does not wait for it", async () => {
  const { probe } = await probing();
  await clock.advance(25_000); // without a line, a ping
  await clock.advance(10_000); // without a pong
  assert.equal(probe.readyState, 3);
  assert.deepEqual(probe.json, []);
});
