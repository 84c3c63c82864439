// The browser client of ws-server: see client.d.ts and PAGE-PROTOCOL.md.

const DEFAULTS = {
  queue: 256,
  queueBytes: 2 ** 20,
  minDelay: 500,
  maxDelay: 15_000,
  heartbeat: 25_000,
  deadline: 10_000,
  transport: "websocket",
  random: Math.random,
};
const SECOND = 1_000;
// Ends the back-off.
const STABLE = 10_000;
const MAX_DELAY = 2 ** 31 - 1;
const FINAL_CODES = [1000, 1003, 1007, 1008, 1009];
const RETRY_STATUSES = [408, 409, 426, 429];

export class RequestError extends Error {
  constructor(id, kind, error) {
    super(`request ${id}: ${kind}`);
    Object.assign(this, { name: "RequestError", id, kind, error });
  }
}

class Connection extends EventTarget {
  #options;
  #url;
  // Of a stream.
  #page;
  // Places in the log, by lane.
  #at = {};
  // On this connection.
  #rebased;
  #state = Object.freeze({ phase: "connecting" });
  #life = new AbortController();
  // Older ones are ignored.
  #attempt;
  #socket;
  #openedAt;
  #triedAt;
  #attempts = 0;
  #failures = 0;
  // Of the first retry, in milliseconds.
  #spread;
  // Handshakes in a row that were not answered.
  #memory = { blocked: 0 };
  #timer;
  #calls = new Map();
  #firstCall;
  #lastCall;
  // Sent entries have an id.
  #outbox = [];
  // On this socket.
  #written = 0;
  #lastId = 0;
  #acked = 0;
  // Stale, fresh, or undefined.
  #freshness;
  // After a logon.
  #renewed;
  #unconfirmed;
  #reported;

  constructor(url, options, page, start = Promise.resolve()) {
    super();
    this.#options = { ...DEFAULTS, ...options };
    this.#url = new URL(url, globalThis.document?.baseURI);
    this.#url.protocol = this.#url.protocol.replace("http", "ws");
    this.#url.hash = "";
    this.#page = page && { parameter: "z_pid", offset: 0, ...page };
    // It identifies this script: a duplicate of the tab gets its own.
    this.#firstCall = this.#lastCall = Math.floor(this.#options.random() * 2 ** 32);
    this.#watch();
    start.then(() => this.#is("connecting") && this.#connect());
  }

  get state() {
    return this.#state;
  }

  get page() {
    return this.#page?.page;
  }

  get epoch() {
    return this.#page?.epoch;
  }

  get offset() {
    return this.#page?.offset;
  }

  on(event, listener) {
    const filter = ({ detail }) => detail.event === event && listener(detail.data);
    this.addEventListener("push", filter);
    return () => this.removeEventListener("push", filter);
  }

  send(value) {
    this.#push({ value, data: encode(value) });
  }

  request(body, { timeout = 10_000, signal } = {}) {
    const id = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#state.final) throw new RequestError(id, "closed");
      const entry = { data: encode({ call: id, body }) };
      this.#push(entry);
      const late = () => this.#settle(id, new RequestError(id, "timeout"));
      const timer = setTimeout(late, Math.min(timeout, MAX_DELAY));
      const abort = () => this.#settle(id, signal.reason);
      signal?.addEventListener("abort", abort);
      const release = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      this.#calls.set(id, { entry, resolve, reject, release });
    });
  }

  close(code = 1000, reason = "") {
    if (this.#state.final) return;
    if (this.#page) this.#write({ type: "bye" });
    this.#drop(code, reason);
    this.#finish({ code, reason });
  }

  #is(phase) {
    return this.#state.phase === phase;
  }

  #set(phase, more) {
    this.#state = Object.freeze({ phase, ...more });
    this.#flush();
    this.#emit("state", this.#state);
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #write(message) {
    // A closing socket logs a warning.
    if (this.#is("open") && this.#socket.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #push(entry) {
    const { queue, queueBytes } = this.#options;
    if (this.#state.final) throw new DOMException("the connection is closed", "InvalidStateError");
    // As on the server, an empty queue accepts any size.
    const { length } = this.#outbox;
    const size = this.#outbox.reduce((sum, { data }) => sum + data.length, entry.data.length);
    if (length && (length >= queue || size > queueBytes)) throw new RangeError("the queue is full");
    this.#outbox.push(entry);
    this.#flush();
  }

  #flush() {
    while (this.#is("open") && this.#written < this.#outbox.length) {
      const entry = this.#outbox[this.#written++];
      const id = (entry.id ??= ++this.#lastId);
      const { data } = entry;
      if (!this.#page) this.#socket.send(data);
      else if (typeof data === "string") this.#write({ type: "text", id, data });
      else this.#write({ type: "binary", id, data: toBase64(data) });
    }
    if (!this.#page) this.#seen(this.#lastId); // No `seen` follows.
  }

  #seen(id) {
    const { length } = this.#outbox;
    this.#outbox = this.#outbox.filter((entry) => !(entry.id <= id));
    this.#written += this.#outbox.length - length;
  }

  #message(data) {
    let message;
    try {
      if (data.includes('"answer"')) message = JSON.parse(data);
    } catch {}
    const id = message?.answer;
    // A late answer is not a message.
    if (id > this.#firstCall && id <= this.#lastCall) {
      const error = "error" in message && new RequestError(id, "answer", message.error);
      this.#settle(id, error, message.ok);
    } else {
      this.#emit("message", data);
    }
  }

  #settle(id, error, value) {
    const call = this.#calls.get(id);
    if (!call) return;
    this.#calls.delete(id);
    call.release();
    this.#outbox = this.#outbox.filter((entry) => entry.id || entry !== call.entry);
    if (error) call.reject(error);
    else call.resolve(value);
  }

  #reject(kind, all) {
    for (const [id, { entry }] of this.#calls) {
      if (all || entry.id) this.#settle(id, new RequestError(id, kind));
    }
  }

  async #connect() {
    this.#drop();
    const attempt = (this.#attempt = {});
    this.#triedAt = Date.now();
    this.#set("connecting");
    if (this.#freshness === "stale" && attempt === this.#attempt) {
      const response = await this.#fetch(this.#page.fresh, "POST");
      if (attempt !== this.#attempt) return;
      try {
        this.#renew(response);
      } catch {
        return this.#refused(response);
      }
    }
    let fallback;
    const { transport } = this.#options;
    const isBlocked = transport === "auto" && this.#memory.blocked > 1;
    if (this.#page && (transport === "http" || isBlocked)) {
      fallback = await import("./http.js").catch(() => void (this.#memory.blocked = 1));
      if (!fallback && attempt === this.#attempt) return this.#retry();
    }
    if (attempt === this.#attempt) this.#open(attempt, fallback);
  }

  #open(attempt, fallback) {
    const { WebSocket = globalThis.WebSocket, protocols, heartbeat } = this.#options;
    const address = () => this.#address();
    const url = address();
    let socket;
    try {
      socket = fallback
        ? new fallback.HttpSocket(this, this.#memory, address, this.#options)
        : new WebSocket(url, this.#page ? "page.v1" : protocols);
    } catch ({ message }) {
      return this.#finish({ reason: message });
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    this.#timer = setTimeout(() => socket.close(), heartbeat); // for the handshake
    socket.onopen = () => {
      if (attempt !== this.#attempt) return;
      this.#openedAt = Date.now();
      this.#arm();
      if (!this.#page) this.#set("open");
    };
    socket.onmessage = ({ data }) => {
      if (attempt !== this.#attempt) return;
      this.#arm();
      try {
        if (this.#page) this.#received(JSON.parse(data));
        else this.#message(typeof data === "string" ? data : new Uint8Array(data));
      } catch {
        this.#retry();
      }
    };
    socket.onclose = async ({ code, reason, response }) => {
      if (attempt !== this.#attempt) return;
      clearTimeout(this.#timer);
      if (this.#openedAt) return this.#closed(code, reason);
      // Only a GET shows the reason.
      response ??= await this.#fetch(url.replace("ws", "http"), "GET");
      if (attempt === this.#attempt) this.#refused(response);
    };
  }

  #address() {
    const { searchParams } = this.#url;
    if (this.page) searchParams.set(this.#page.parameter, this.page);
    if (this.#page) searchParams.set("client", this.#firstCall);
    if (this.#page) searchParams.set("attempt", ++this.#attempts);
    if (this.epoch) searchParams.set("epoch", this.epoch);
    if (this.epoch) searchParams.set("offset", this.offset);
    if (this.#page) {
      const { base } = this.#page;
      const cursor = { base, at: base && Object.values(this.#at).join("-") };
      for (const [name, value] of Object.entries(cursor)) {
        if (base) searchParams.set(name, value);
        else searchParams.delete(name);
      }
    }
    return this.#url.href;
  }

  async #fetch(url, method) {
    const { fetch = globalThis.fetch, deadline } = this.#options;
    try {
      const signal = AbortSignal.timeout(deadline);
      const response = await fetch(url, { method, cache: "no-store", signal });
      const after = Number(response.headers.get("retry-after"));
      return { status: response.status, after, text: await response.text() };
    } catch {
      return {};
    }
  }

  #refused({ status, after, text }) {
    if (this.#renewed && (status === 403 || status === 409)) {
      this.#renewed = false;
      this.#wait(3 * SECOND);
    } else if (status === 403 && this.#page?.fresh && !this.#freshness) {
      this.#freshness = "stale";
      this.#connect();
    } else if (/^4/.test(status) && !RETRY_STATUSES.includes(status)) {
      this.#finish({ status, reason: text.trim().slice(0, 200) });
    } else {
      // The server never saw the handshake.
      if (status === 426 || status < 400) this.#memory.blocked += 1;
      this.#retry(after);
    }
  }

  #closed(code, reason) {
    if (code === 4409 && this.#page?.fresh) {
      this.#drop();
      this.#freshness = "stale";
      this.#set("closed", { code, reason: "superseded", final: false });
    } else if (code >= 3000 || FINAL_CODES.includes(code)) {
      this.#finish({ code, reason });
    } else {
      this.#retry(reason.split("retry=")[1] / SECOND, code < 1007);
    }
  }

  #finish(how) {
    this.#drop();
    this.#life.abort();
    this.#reject("closed", true);
    this.#set("closed", { ...how, final: true });
  }

  #drop(code = 1000, reason = "") {
    this.#socket?.close(code, reason);
    clearTimeout(this.#timer);
    if (Date.now() - this.#openedAt >= STABLE) this.#failures = 0;
    this.#attempt = this.#socket = this.#openedAt = undefined;
    if (!this.#page) this.#reject("closed");
  }

  // `rest`: the other clients may have lost the server too.
  #retry(seconds, rest) {
    const { minDelay, maxDelay, random } = this.#options;
    this.#drop(); // may reset #failures
    const ceiling = Math.min(maxDelay, minDelay * 2 ** ++this.#failures);
    const delay = (ceiling / 2) * (1 + random());
    this.#wait(rest && this.#spread > ceiling ? this.#spread * random() : (seconds || 0) * SECOND + delay);
  }

  #wait(delay) {
    if (globalThis.navigator?.onLine === false) return this.#offline();
    this.#drop();
    delay = Math.min(delay, MAX_DELAY);
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#set("waiting", { retryAt: Date.now() + delay });
  }

  #offline() {
    this.#drop();
    this.#set("offline");
  }

  // After sleep, a late timer precedes arrived messages.
  #arm(pings = 0) {
    clearTimeout(this.#timer);
    if (!this.#page) return;
    const delay = this.#options[pings ? "deadline" : "heartbeat"];
    const due = Date.now() + delay;
    this.#timer = setTimeout(() => {
      const late = Date.now() - due > SECOND;
      if (pings > (late ? 1 : 0)) this.#retry(0, 1);
      else this.#ping(pings + 1);
    }, delay);
  }

  #ping(pings) {
    if (this.#page) this.#write({ type: "ping" });
    this.#arm(pings);
  }

  #watch() {
    const { signal } = this.#life;
    const on = (target, type, listener) => target?.addEventListener?.(type, listener, { signal });
    const onShow = () => globalThis.document?.hidden || this.#wake(true);
    on(globalThis.document, "visibilitychange", onShow);
    on(globalThis, "focus", onShow);
    on(globalThis, "pageshow", onShow);
    on(globalThis, "online", () => this.#wake());
    on(globalThis, "offline", () => {
      if (this.#is("waiting")) this.#offline();
      if (this.#is("open")) this.#ping(1);
    });
    on(globalThis, "pagehide", ({ persisted }) => {
      // Browsers do not cache a page with a socket.
      if (!persisted) this.close();
      else if (!this.#is("closed")) this.#offline();
    });
  }

  #wake(shown) {
    const { phase, final } = this.#state;
    if (phase === "open") return this.#ping(1);
    if (phase === "connecting" || final || (phase === "closed" && !shown)) return;
    const rest = this.#triedAt + SECOND - Date.now();
    if (rest > 0) this.#wait(rest);
    else this.#connect();
  }

  // Throws if the server breaks the page protocol.
  #received(message) {
    const { type, offset, event, data, at } = message;
    this.#spread = message.spread ?? this.#spread;
    if (type === "welcome") return this.#welcome(message);
    assert(this.#is("open"));
    if (type === "event") this.#deliver(offset, "push", { event, data }, at);
    if (type === "pong") this.#reach(at);
    if (type === "base") this.#rebase(message.base);
    if (type === "text") this.#deliver(offset, "message", data);
    if (type === "binary") {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      this.#deliver(offset, "message", bytes);
    }
    if (type === "seen") this.#seen(message.id);
    if (type === "reset") this.#reset(message);
    if (type === "renewed") {
      this.#renewed = true;
      this.#after(SECOND * (1 + this.#options.random()), () => this.#connect());
    }
  }

  #welcome({ epoch, offset, seen, base, continued, page = this.page }) {
    assert(epoch && offset >= 0 && seen >= 0);
    this.#page.page = page;
    if (epoch !== this.epoch) this.#begin({ epoch, offset });
    this.#rebased = base;
    if (base) this.#rebase(base);
    this.#acked = Math.min(offset, this.offset);
    this.#seen(seen);
    this.#written = 0;
    this.#freshness = this.#renewed = undefined;
    const unconfirmed = (this.#reported = this.#unconfirmed);
    this.#unconfirmed = undefined;
    if (!this.#socket.state) this.#memory = { blocked: 0 };
    this.#set("open", this.#socket.state);
    this.#ack();
    if (unconfirmed && !(continued && !unconfirmed.length)) {
      this.#emit("reset", { why: "restart", unconfirmed });
    }
  }

  #reset({ why, offset }) {
    assert(offset >= 0);
    this.#ack();
    this.#page.offset = this.#acked = offset;
    // Unless it began just now, the cursor is before what the page loads.
    if (why !== "restart" || !this.#rebased) this.#rebase();
    if (why !== "restart" || !this.#reported) this.#emit("reset", { why, unconfirmed: [] });
  }

  #rebase(base) {
    this.#page.base = base;
    this.#at = {};
  }

  #reach(at = "") {
    for (const place of at.match(/[^-]+/g) ?? []) this.#at[place.split(".")[0]] = place;
  }

  // Sent messages may have been handled.
  #begin(position) {
    if (this.epoch) {
      const sent = this.#outbox.filter((entry) => entry.id && "value" in entry);
      this.#unconfirmed ??= sent.map(({ value }) => value);
      this.#outbox = this.#outbox.filter((entry) => !entry.id);
      this.#reject("reset");
    }
    Object.assign(this.#page, position);
    this.#lastId = 0;
  }

  #renew({ text }) {
    const { page, epoch, base } = JSON.parse(text);
    assert(page && epoch);
    this.#begin({ page, epoch, offset: 0 });
    this.#rebase(base);
    this.#freshness = "fresh";
  }

  #deliver(offset, type, detail, at) {
    if (offset <= this.offset) return;
    assert(offset === this.offset + 1);
    this.#page.offset = offset;
    this.#reach(at);
    if (type === "push") this.#emit(type, detail);
    else this.#message(detail);
    // A hidden tab's timers are late.
    if (offset - this.#acked >= 32 || globalThis.document?.hidden) this.#ack();
    if (offset - this.#acked === 1) this.#after(100, () => this.#ack());
  }

  #ack() {
    if (this.offset > this.#acked) this.#write({ type: "ack", offset: this.offset });
    this.#acked = this.offset;
  }

  #after(delay, then) {
    const attempt = this.#attempt;
    setTimeout(() => attempt === this.#attempt && then(), delay);
  }
}

let pageStream;

export function stream() {
  return (pageStream ??= fromTag());
}

export function connect(url, options) {
  return new Connection(url, options);
}

export function connectPage(url, options = {}) {
  return new Connection(url, options, options);
}

function fromTag() {
  const tag = globalThis.document?.querySelector("script[data-stream]");
  if (!tag) throw new Error("the page has no script[data-stream]");
  const { stream, transport = "websocket" } = tag.dataset;
  return new Connection(stream, { transport }, tag.dataset, scriptsRun());
}

if (globalThis.document?.querySelector?.("script[data-stream]")) stream();

// Module scripts run before DOMContentLoaded, so none misses the first event.
async function scriptsRun() {
  const [page] = performance.getEntriesByType("navigation");
  if (document.readyState === "loading" || page?.domContentLoadedEventStart === 0) {
    await new Promise((go) => document.addEventListener("DOMContentLoaded", go));
  }
}

// Bytes are copied: the caller may change them.
function encode(value) {
  if (typeof value === "string") return value;
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer ?? value, value.byteOffset, value.byteLength).slice();
  }
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError("the value has no JSON");
  return text;
}

function toBase64(bytes) {
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}

function assert(valid) {
  if (!valid) throw new TypeError("not page.v1");
}
