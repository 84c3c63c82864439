// 10,000 pages lose their server at the same moment: how many of them return in the busiest 100 ms.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectPage } from "../client.js";
import { Clock, responses, settle, Socket } from "./simulation.mjs";

const CLIENTS = 10_000;

const clock = new Clock();

// A sequence of random numbers, the same in each run (mulberry32).
function sequence(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function busiest(spread) {
  Socket.all = [];
  clock.clear();
  const random = sequence(1);
  const options = { page: "P", epoch: "E", WebSocket: Socket, fetch: responses(426), random };
  const streams = Array.from({ length: CLIENTS }, () => connectPage("wss://site.example/", options));
  await settle();
  const sockets = [...Socket.all];
  assert.equal(sockets.length, CLIENTS);
  for (const socket of sockets) {
    socket.open();
    socket.receive({ type: "welcome", epoch: "E", offset: 0, seen: 0, spread });
    socket.drop(1006);
  }
  const times = streams.map(({ state }) => state.retryAt - clock.now).sort((a, b) => a - b);
  for (const stream of streams) stream.close();
  let most = 0;
  for (let first = 0, last = 0; last < times.length; last += 1) {
    while (times[first] <= times[last] - 100) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return { most, latest: times.at(-1) };
}

test("a spread of 5 s flattens the return of 10,000 pages", async () => {
  const without = await busiest(undefined);
  const spread = await busiest(5_000);
  console.log(`busiest 100 ms: ${without.most} without a spread, ${spread.most} with 5 s`);
  assert.ok(without.most > 1_900 && without.latest <= 1_000, JSON.stringify(without));
  assert.ok(spread.most < 300 && spread.latest <= 5_000, JSON.stringify(spread));
});
