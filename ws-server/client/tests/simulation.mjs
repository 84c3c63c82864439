// The browser of the tests: a clock that only they advance, sockets that only they open, and a
// network that returns the responses that they set.

/** Runs everything that is due now: promises and their continuations. */
export const settle = async () => {
  for (let i = 0; i < 3; i += 1) await new Promise((done) => setImmediate(done));
};

/** Replaces the timers and the clock of this process permanently. */
export class Clock {
  #now = 1_000_000;
  #timers = new Map();
  #last = 0;

  constructor() {
    globalThis.setTimeout = (run, delay = 0, ...args) => {
      const id = (this.#last += 1);
      // As browsers do.
      const wait = delay > 2 ** 31 - 1 || !(delay > 0) ? 0 : delay;
      this.#timers.set(id, { due: this.#now + wait, id, run: () => run(...args) });
      return id;
    };
    globalThis.clearTimeout = (id) => void this.#timers.delete(id);
    Date.now = () => this.#now;
  }

  get now() {
    return this.#now;
  }

  /** Milliseconds until each pending timer. */
  get waits() {
    return [...this.#timers.values()].map(({ due }) => due - this.#now).sort((a, b) => a - b);
  }

  /** Advances the time, and runs every timer when it is due. */
  async advance(delay) {
    const end = this.#now + delay;
    await settle();
    for (;;) {
      const [next] = [...this.#timers.values()].sort((a, b) => a.due - b.due || a.id - b.id);
      if (!next || next.due > end) break;
      this.#timers.delete(next.id);
      this.#now = Math.max(this.#now, next.due);
      next.run();
      await settle();
    }
    this.#now = end;
  }

  /** The machine sleeps: time passes, and no timer runs. */
  sleep(delay) {
    this.#now += delay;
  }

  clear() {
    this.#timers.clear();
  }
}

/** A WebSocket whose events and answers come from the test. */
export class Socket {
  static all = [];
  readyState = 0;
  sent = [];
  closedWith = undefined;

  constructor(url, protocols) {
    if (Socket.failure) throw Socket.failure;
    Object.assign(this, { url: String(url), protocols });
    Socket.all.push(this);
    Socket.created?.(this);
  }

  static get last() {
    return Socket.all.at(-1);
  }

  send(data) {
    if (this.readyState === 0) throw new DOMException("not open", "InvalidStateError");
    if (this.readyState !== 1) return;
    this.sent.push(data);
    this.onsent?.(data);
  }

  close(code, reason) {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException("no such code", "InvalidAccessError");
    }
    if (this.readyState > 1) return;
    const opened = this.readyState === 1;
    this.readyState = 2;
    this.closedWith = { code, reason };
    // Without a network the close never completes; a handshake ends at once.
    if (!opened) queueMicrotask(() => this.drop());
  }

  get json() {
    return this.sent.map((text) => JSON.parse(text));
  }

  /** The messages of one type that the page has sent. */
  sentOf(type) {
    return this.json.filter((message) => message.type === type);
  }

  // The actions of the other side.
  open() {
    this.readyState = 1;
    this.onopen?.({});
  }

  receive(data) {
    const raw = typeof data === "string" || data instanceof ArrayBuffer;
    this.onmessage?.({ data: raw ? data : JSON.stringify(data) });
  }

  drop(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

/** The window, the document and the navigator of a browser. */
export function browser(t) {
  const window = new EventTarget();
  const document = new EventTarget();
  Object.assign(document, { baseURI: "https://site.example/room/", hidden: false });
  const navigator = { onLine: true };
  const before = {};
  const put = (name, value) => {
    before[name] = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  };
  put("document", document);
  put("navigator", navigator);
  put("addEventListener", window.addEventListener.bind(window));
  t.after(() => {
    for (const [name, descriptor] of Object.entries(before)) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete globalThis[name];
    }
  });
  const fire = async (target, type, more) => {
    target.dispatchEvent(Object.assign(new Event(type), more));
    await settle();
  };
  return {
    document,
    online(is) {
      navigator.onLine = is;
      return fire(window, is ? "online" : "offline");
    },
    show(is) {
      document.hidden = !is;
      return fire(document, "visibilitychange");
    },
    focus: () => fire(window, "focus"),
    hidePage: (persisted) => fire(window, "pagehide", { persisted }),
    showPage: (persisted) => fire(window, "pageshow", { persisted }),
  };
}

/** A fetch that returns the given responses in turn, and records its requests. */
export function responses(...queue) {
  const fetch = async (url, init) => {
    fetch.requests.push(`${init.method} ${url}`);
    fetch.inits.push(init);
    const response = queue.length > 1 ? queue.shift() : queue[0];
    if (response === undefined || response === "down") throw new TypeError("network");
    const [status, text = "", headers = {}] = [].concat(response);
    return new Response(text, { status, headers });
  };
  fetch.requests = [];
  fetch.inits = [];
  fetch.next = (...more) => queue.splice(0, queue.length, ...more);
  return fetch;
}
