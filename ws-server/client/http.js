// A stream over HTTP until WebSockets work, with the interface of one: see PAGE-PROTOCOL.md.

const TYPE = "application/vnd.ws-server.page.v1";
const POST = { method: "POST", headers: { "content-type": TYPE }, cache: "no-store" };
const PROBE_DELAY = 30_000; // default of `probeDelay`
const MAX_PROBE_DELAY = 600_000;
const KEEPALIVE = 32_768; // a request of this size in bytes may outlive its page
const RECONNECTED = "reconnected"; // reason of a Close: this script has another connection

export class HttpSocket {
  #owner;
  #memory; // of all connections of the owner
  #address;
  #options;
  #phase = 0; // as `readyState`
  #life = new AbortController();
  #url;
  #limit;
  #unsent = [];
  #posting = false;
  #number = 0; // of the last request with messages
  #timer; // for the first line, or an attempt
  #probeTimer;
  #probe;
  #ended; // the Close of this stream
  #socket; // after the return to WebSockets

  constructor(owner, memory, address, options) {
    this.#owner = owner;
    this.#memory = memory;
    this.#address = address;
    this.#options = options;
    this.#open();
  }

  get readyState() {
    return this.#socket?.readyState ?? (this.#probe ? 1 : this.#phase);
  }

  get state() {
    return this.#socket ? undefined : { transport: "http" };
  }

  send(text) {
    if (this.#socket) return this.#socket.send(text);
    this.#unsent.push(text);
    // All messages of one task share a request.
    queueMicrotask(() => this.#post());
  }

  close(code, reason) {
    if (this.#socket) return this.#socket.close(code, reason);
    // Without a code, the time for the first line is over.
    if (this.#phase === 0 && !code) return this.#late();
    const isAttached = this.#phase === 1;
    this.#phase = 3;
    const isLeft = this.#unsent.at(-1) === '{"type":"bye"}';
    if (this.#probe && isLeft) this.#leaveByProbe(code, reason);
    else this.#dropProbe();
    this.#stopTimers();
    this.#sendLast(isAttached);
  }

  async #open() {
    const { fetch = globalThis.fetch, deadline } = this.#options;
    this.#url = this.#address().replace("ws", "http");
    let response = {};
    try {
      const hint = this.#memory.buffered ? "&buffered=1" : "";
      const { signal } = this.#life;
      const answer = await fetch(this.#url + hint, { ...POST, signal });
      const { status, headers, body } = answer;
      if (status === 200 && headers.get("content-type") === TYPE) {
        this.#timer = setTimeout(() => this.#late(), deadline);
        await this.#read(body.getReader());
      } else {
        const after = Number(headers.get("retry-after"));
        response = { status, after, text: await answer.text() };
      }
    } catch {}
    this.#end({ code: 1006, reason: "", response });
  }

  // A WebSocket is next after two failures in a row, or if nothing here takes such requests: then
  // the response refuses only HTTP.
  #unopened(response) {
    const memory = this.#memory;
    const isUntaken = /^([123]|405|415|426)/.test(response?.status);
    memory.failed = (memory.failed ?? 0) + 1;
    if (isUntaken || memory.failed > 1) {
      Object.assign(memory, { failed: 0, blocked: isUntaken ? 0 : 1 });
    }
    return isUntaken && this.#options.transport === "auto" ? {} : response;
  }

  async #read(reader) {
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) this.#line(line);
    }
  }

  #line(line) {
    if (this.#phase === 3 || this.#socket) return;
    const { type, attachment, limit, code, reason } = JSON.parse(line);
    if (type === "open") {
      clearTimeout(this.#timer);
      this.#url += `&attachment=${attachment}`;
      this.#limit = limit;
      this.#phase = 1;
      Object.assign(this.#memory, { buffered: false, failed: 0 });
      this.onopen({});
      this.#schedule();
    } else if (type === "ping") this.send(JSON.stringify({ type }));
    else if (type === "close") this.#end({ code, reason });
    else this.onmessage({ data: line });
  }

  // No line arrives: a proxy keeps the response until its end.
  #late() {
    Object.assign(this.#memory, { buffered: true, failed: 1 });
    this.#owner.dispatchEvent(new CustomEvent("buffered"));
    this.#end({ code: 1006, reason: "", response: {} });
  }

  async #post() {
    if (this.#posting || this.#phase !== 1 || !this.#unsent.length) return;
    this.#posting = true;
    const { lines } = this.#batch(this.#limit);
    const status = await this.#request(lines);
    if (this.#phase !== 1 || this.#socket) return;
    this.#posting = false;
    if (status === 204) {
      this.#unsent.splice(0, lines.length);
      this.#post();
    } else this.#end({ code: status === 413 ? 1009 : 1006, reason: "" });
  }

  // The next messages with at most this number of bytes in total, but at least one.
  #batch(limit) {
    let size = 0;
    let count = 0;
    for (const { length } of this.#unsent) {
      // A UTF-16 unit has at most three bytes.
      const total = size + 3 * length + 1;
      if (count && total > limit) break;
      size = total;
      count += 1;
    }
    return { size, lines: this.#unsent.slice(0, count) };
  }

  // A request that the server cannot take now is repeated: its number has an effect once.
  async #request(lines, more, number = (this.#number += 1)) {
    const { fetch = globalThis.fetch, random } = this.#options;
    const init = { ...POST, signal: this.#life.signal, body: lines.join("\n"), ...more };
    try {
      const { status, headers } = await fetch(`${this.#url}&post=${number}`, init);
      if (!/429|503/.test(status)) return status;
      const after = Number(headers.get("retry-after"));
      await new Promise((resume) => {
        this.#timer = setTimeout(resume, (after || 1) * 1000 * (1 + random() / 2));
      });
      return this.#request(lines, more, number);
    } catch {}
  }

  // The messages of a request in progress are repeated: the server ignores those that it has.
  async #sendLast(isAttached) {
    const { deadline } = this.#options;
    while (isAttached && this.#unsent.length) {
      const { size, lines } = this.#batch(Math.min(this.#limit, KEEPALIVE));
      const signal = AbortSignal.timeout(deadline);
      const keepalive = size <= KEEPALIVE;
      if ((await this.#request(lines, { signal, keepalive })) !== 204) break;
      this.#unsent.splice(0, lines.length);
    }
    this.#life.abort();
    if (!this.#unsent.length) this.#dropProbe();
  }

  // The handshake in progress may take the page, and then no request reaches it.
  #leaveByProbe(code, reason) {
    const probe = this.#probe;
    probe.onclose = undefined;
    probe.onmessage = ({ data }) => {
      const isContinued = JSON.parse(data).epoch === this.#owner.epoch;
      for (const line of this.#unsent.slice(isContinued ? 0 : -1)) probe.send(line);
      probe.close(code, reason);
    };
  }

  #stopTimers() {
    clearTimeout(this.#timer);
    clearTimeout(this.#probeTimer);
  }

  #end({ code, reason, response }) {
    if (this.#phase === 3 || this.#socket) return;
    if (!this.#phase) response = this.#unopened(response);
    this.#phase = 3;
    this.#life.abort();
    this.#stopTimers();
    // If another connection has the page and a probe is in progress, its outcome decides: it has
    // taken the page, or may take it from a duplicate of the tab before its end arrives there.
    const isTaken = code === 4409;
    const isOwn = isTaken && reason === RECONNECTED;
    this.#ended = { code: isOwn ? 1006 : code, reason, response };
    if (isTaken && this.#probe) return;
    this.#dropProbe();
    this.onclose(this.#ended);
  }

  #dropProbe() {
    if (!this.#probe) return;
    this.#probe.onmessage = this.#probe.onclose = undefined;
    this.#probe.close();
    this.#probe = undefined;
  }

  #schedule() {
    const { transport, random, probeDelay = PROBE_DELAY } = this.#options;
    if (transport !== "auto") return;
    const memory = this.#memory;
    // Responses may be shorter than the delay.
    if (!memory.probeAt) {
      const probes = (memory.probes = (memory.probes ?? -1) + 1);
      const delay = Math.min(probeDelay * 2 ** probes, MAX_PROBE_DELAY) * (1 + random() / 2);
      memory.probeAt = Date.now() + delay;
    }
    this.#probeTimer = setTimeout(() => this.#tryWebSocket(), memory.probeAt - Date.now());
  }

  // The handshake takes the page, and its first message is `welcome`: until then this stream
  // continues, and afterwards nothing is missing.
  #tryWebSocket() {
    const { WebSocket = globalThis.WebSocket, heartbeat } = this.#options;
    const socket = (this.#probe = new WebSocket(this.#address(), "page.v1"));
    this.#memory.probeAt = undefined;
    const timer = setTimeout(() => socket.close(), heartbeat);
    socket.onmessage = (event) => {
      clearTimeout(timer);
      this.#probe = undefined;
      this.#socket = socket;
      this.#life.abort();
      socket.onmessage = (event) => this.onmessage(event);
      socket.onclose = (event) => this.onclose(event);
      this.onmessage(event);
    };
    socket.onclose = () => {
      clearTimeout(timer);
      this.#probe = undefined;
      if (this.#phase === 3) this.onclose(this.#ended);
      else this.#schedule();
    };
  }
}
