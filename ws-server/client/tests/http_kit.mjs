// The network of the tests of streams over HTTP: the test writes the lines and the statuses.
import assert from "node:assert/strict";
import { beforeEach } from "node:test";
import { connectPage } from "../client.js";
import "../http.js"; // so that its import in the client takes no time
import { Clock, settle, Socket } from "./simulation.mjs";

export const clock = new Clock();
const TYPE = "application/vnd.ws-server.page.v1";
export const WELCOME = { type: "welcome", epoch: "e", offset: 0, seen: 0 };

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

/**
 * A server that answers GETs with `get`, messages with the statuses in `statuses`, or 204, and
 * requests that open a stream with the statuses in `openings`, or lines.
 */
export function server(get = 426) {
  const down = [];
  const posts = [];
  const statuses = [];
  const openings = [];
  const fetch = async (url, init) => {
    fetch.urls.push(`${init.method} ${url}`);
    if (init.method === "GET") {
      if (get === "down") throw new TypeError("network");
      return new Response("", { status: get });
    }
    assert.equal(init.headers["content-type"], TYPE);
    if (!url.includes("&attachment=T")) {
      const status = openings.shift();
      if (status === "down") throw new TypeError("network");
      if (status) return new Response("why", { status });
      down.push(new Down(init.signal));
      return down.at(-1).response;
    }
    const { body, keepalive } = init;
    const number = new URL(url).searchParams.get("post");
    posts.push({ lines: body.split("\n").map((line) => JSON.parse(line)), keepalive, number });
    const [status, after] = [(await statuses.shift()) ?? 204].flat();
    if (status === "down") throw new TypeError("network");
    return new Response(null, { status, headers: after && { "retry-after": after } });
  };
  fetch.urls = [];
  return { fetch, down, posts, statuses, openings, answer: (status) => (get = status) };
}

export async function open(options, net = server()) {
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

export const forced = (net) => open({ transport: "http" }, net);

/** Waits for the next attempt. */
export const again = ({ state }) => clock.advance(state.retryAt - clock.now);

/** Fails the handshake, and waits for the next attempt. */
export async function fail(stream) {
  Socket.last.drop();
  await settle();
  await again(stream);
}

export const text = (id, data) => ({ type: "text", id, data });
export const push = (offset) => ({ type: "event", offset, event: "n", data: offset });

/** A stream over HTTP that has received this many pushes. */
export async function fallenBack(pushes, net) {
  const opened = await open({ transport: "auto" }, net);
  await fail(opened.stream);
  await fail(opened.stream);
  await opened.down[0].open();
  for (let offset = 1; offset <= pushes; offset += 1) await opened.down[0].line(push(offset));
  return opened;
}

/** The last line of a response whose page this script has taken over another connection. */
export const RECONNECTED = { type: "close", code: 4409, reason: "reconnected" };

/** The same, if another script has taken the page. */
export const SUPERSEDED = { type: "close", code: 4409, reason: "another socket has the page" };
