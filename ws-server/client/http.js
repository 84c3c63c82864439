// A stream over HTTP until WebSockets work, with the interface of a WebSocket: see PAGE-PROTOCOL.md.

const TYPE = "application/vnd.ws-server.page.v1";
const POST = { method: "POST", headers: { "content-type": TYPE }, cache: "no-store" };
const PROBE_DELAY = 30_000; // default of `probeDelay`
const MAX_PROBE_DELAY = 600_000;
const KEEPALIVE = 32_768; // a request of this size in bytes may outlive its page

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
  #timer; // for the first line
  #probeTimer;
  #probe;
  #probedAt; // the future while it is in progress
  #socket; // after the return to WebSockets

  constructor(owner, memory, address, options) {
    this.#owner = owner;
    this.#memory = memory;
    this.#address = address;
    this.#options = options;
    this.#open();
  }

  get readyState() {
    return this.#socket?.readyState ?? this.#phase;
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
    if (this.#phase === 3) return this.#dropProbe();
    this.#stop();
    if (this.#phase === 1 && this.#unsent.length) this.#sendLast();
    else this.#life.abort();
    this.#phase = 3;
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
      this.#memory.buffered = false;
      this.onopen({});
      this.#schedule();
    } else if (type === "ping") this.send(JSON.stringify({ type }));
    else if (type === "close") this.#end({ code, reason });
    else this.onmessage({ data: line });
  }

  // No line arrives: a proxy keeps the response until its end.
  #late() {
    Object.assign(this.#memory, { buffered: true, blocked: 1 });
    this.#owner.dispatchEvent(new CustomEvent("buffered"));
    this.#end({ code: 1006, reason: "", response: {} });
  }

  async #post() {
    if (this.#posting || this.#phase !== 1 || !this.#unsent.length) return;
    this.#posting = true;
    // A UTF-16 unit has at most three bytes.
    let size = 0;
    let count = 0;
    for (const { length } of this.#unsent) {
      size += 3 * length + 1;
      if (count && size > this.#limit) break;
      count += 1;
    }
    const status = await this.#request(this.#unsent.slice(0, count));
    if (this.#phase !== 1 || this.#socket) return;
    this.#posting = false;
    if (status === 204) {
      this.#unsent.splice(0, count);
      this.#post();
    } else this.#end({ code: status === 413 ? 1009 : 1006, reason: "" });
  }

  async #request(lines, more) {
    const { fetch = globalThis.fetch } = this.#options;
    const init = { ...POST, signal: this.#life.signal, body: lines.join("\n"), ...more };
    try {
      return (await fetch(this.#url, init)).status;
    } catch {}
  }

  // The messages of a request in progress are repeated: the server ignores those that it has.
  async #sendLast() {
    const { deadline } = this.#options;
    const size = this.#unsent.reduce((sum, { length }) => sum + 3 * length + 1, 0);
    const signal = AbortSignal.timeout(deadline);
    await this.#request(this.#unsent, { signal, keepalive: size <= KEEPALIVE });
    this.#life.abort();
  }

  #stop() {
    clearTimeout(this.#timer);
    clearTimeout(this.#probeTimer);
    this.#dropProbe();
  }

  #end({ code, reason, response }) {
    if (this.#phase === 3 || this.#socket) return;
    this.#phase = 3;
    this.#life.abort();
    // A probe has taken the page. If it is in progress, its outcome decides.
    const isTaken = code === 4409 && Date.now() - this.#probedAt < this.#options.deadline;
    if (isTaken && this.#probe) return;
    this.#stop();
    this.onclose({ code: isTaken ? 1006 : code, reason, response });
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
    const probes = (this.#memory.probes = (this.#memory.probes ?? -1) + 1);
    const delay = Math.min(probeDelay * 2 ** probes, MAX_PROBE_DELAY) * (1 + random() / 2);
    this.#probeTimer = setTimeout(() => this.#tryWebSocket(), delay);
  }

  // The handshake takes the page, and its first message is `welcome`: until then this stream
  // continues, and afterwards nothing is missing.
  #tryWebSocket() {
    const { WebSocket = globalThis.WebSocket, heartbeat } = this.#options;
    const socket = (this.#probe = new WebSocket(this.#address(), "page.v1"));
    this.#probedAt = Infinity;
    const timer = setTimeout(() => socket.close(), heartbeat);
    socket.onmessage = (event) => {
      clearTimeout(timer);
      this.#probe = undefined;
      this.#socket = socket;
      Object.assign(this.#memory, { blocked: 0, probes: undefined });
      this.#life.abort();
      socket.onmessage = (event) => this.onmessage(event);
      socket.onclose = (event) => this.onclose(event);
      this.onmessage(event);
    };
    socket.onclose = () => {
      clearTimeout(timer);
      this.#probe = undefined;
      this.#probedAt = Date.now();
      if (this.#phase === 3) this.onclose({ code: 1006, reason: "" });
      else this.#schedule();
    };
  }
}
