// A page without a session gets its id from the server.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { connectPage } from "../client.js";
import { Clock, responses, settle, Socket } from "./simulation.mjs";

const clock = new Clock();
const URL_ = "wss://site.example/lamp";

beforeEach(() => {
  Socket.all = [];
  clock.clear();
});

async function device(options) {
  const fetch = responses(426);
  const stream = connectPage(URL_, { WebSocket: Socket, fetch, random: () => 0, ...options });
  const resets = [];
  stream.addEventListener("reset", ({ detail }) => resets.push(detail));
  await settle();
  return { stream, resets };
}

function accept(more) {
  Socket.last.open();
  Socket.last.receive({ type: "welcome", epoch: "E", offset: 0, seen: 0, ...more });
}

const query = () => Object.fromEntries(new URL(Socket.last.url).searchParams);

test("the first connection has no id, the next ones that of the welcome", async () => {
  const { stream, resets } = await device();
  assert.equal(stream.page, undefined);
  assert.deepEqual([Socket.last.protocols, query()], ["page.v1", { client: "0", attempt: "1" }]);
  accept({ page: "A", base: "B" });
  assert.deepEqual([stream.page, stream.epoch, stream.state.phase], ["A", "E", "open"]);
  Socket.last.receive({ type: "event", offset: 1, event: "switch", data: true });
  Socket.last.drop();
  await clock.advance(2_000);
  const position = { client: "0", attempt: "2", epoch: "E", offset: "1", base: "B", at: "" };
  assert.deepEqual(query(), { z_pid: "A", ...position });
  accept({ offset: 1 });
  assert.deepEqual([stream.page, stream.offset, resets], ["A", 1, []]);
});

test("an id that the server replaces is forgotten, and the page resets", async () => {
  const { stream, resets } = await device({ page: "old", epoch: "D" });
  assert.equal(query().z_pid, "old");
  stream.send("lost?");
  accept({ page: "new" });
  Socket.last.receive({ type: "reset", why: "restart", offset: 0 });
  assert.equal(stream.page, "new");
  assert.deepEqual(resets, [{ why: "restart", unconfirmed: [] }]);
  assert.equal(JSON.parse(Socket.last.sent.at(-1)).data, "lost?", "it was not sent before");
});

test("no option is needed", () => {
  const { WebSocket } = globalThis;
  globalThis.WebSocket = Socket;
  connectPage(URL_).close();
  globalThis.WebSocket = WebSocket;
});

test("a malformed id is refused for good", async () => {
  const fetch = responses(400);
  const { stream } = await device({ page: "x", fetch });
  Socket.last.drop();
  await settle();
  assert.deepEqual([stream.state.phase, stream.state.status], ["closed", 400]);
});
