/**
 * The browser client of ws-server: connections that reconnect by themselves, and the stream of a
 * page, which delivers every message once and in order.
 *
 * ```js
 * import { stream } from "/ws-server/client.js";
 *
 * const page = stream();
 * page.on("price", ({ item, cents }) => show(item, cents));
 * page.addEventListener("state", ({ detail }) => (light.className = detail.phase));
 * page.addEventListener("reset", () => location.reload());
 * const { name } = await page.request({ type: "rename", name: "Ada" });
 * ```
 *
 * @module
 */

/**
 * The stream of this page, configured by the server's script tag
 * (`<script data-stream data-page data-epoch data-base data-parameter data-fresh>`). Every call returns the
 * same object. It connects at `DOMContentLoaded`, when all module and deferred scripts have run,
 * or at once if that event has already fired: listeners that these scripts add miss nothing.
 *
 * @throws {Error} if the page has no such tag.
 */
export function stream(): Stream;

/**
 * A connection to any WebSocket route. `url` may be relative and may begin with `http`. It
 * connects when the running script has finished.
 *
 * Messages that were written to a connection are lost if that connection is lost; messages that
 * are sent while it reconnects are queued. There is no heartbeat: a handler would receive it as a
 * message.
 */
export function connect(url: string | URL, options?: Options): Connection;

/**
 * The stream of a page without a tag, for example in a single-page application. Without the option
 * `page`, the server issues an id, if the route takes pages without a session. No cookie is needed
 * then: keep the id (`stream.page`) to use it again after a reload. Only the id survives a reload: the page
 * begins again, since its queue and its handler on the server have ended.
 */
export function connectPage(url: string | URL, options?: PageOptions): Stream;

/** A request that failed. Its message contains the number of the request. */
export class RequestError extends Error {
  /** Only this module creates errors of this class. */
  private constructor();
  readonly name: "RequestError";
  /** The number of the request on the wire. */
  readonly id: number;
  /**
   * - `answer`: the server answered with an error, see `error`.
   * - `timeout`: no answer in time. If the request was not sent yet, it never will be.
   * - `closed`: the connection is closed for good, or it is one of `connect` and was lost after
   *   the request was sent. The request may have been handled.
   * - `reset`: it was sent in an epoch that has ended. It may have been handled.
   */
  readonly kind: "answer" | "timeout" | "closed" | "reset";
  /** The server's error, if `kind` is `answer`. */
  readonly error?: unknown;
}

/**
 * The state of a connection.
 *
 * - `connecting`: a handshake is in progress, or the client asks why one was refused.
 * - `open`: messages flow. A stream has received `welcome`. `transport` is `http` while it does not
 *   use a WebSocket.
 * - `waiting`: the next attempt is at `retryAt`, in milliseconds since 1970.
 * - `offline`: the browser reports that there is no network. The client reconnects when there is
 *   one, or when the user shows or focuses the page.
 * - `closed`: with the close code, or the status and the text (200 characters) of a refusal. It is
 *   `final`, unless another tab has taken the page: then the stream continues when the user shows
 *   or focuses this tab.
 */
export type State =
  | { readonly phase: "connecting" | "offline" }
  | { readonly phase: "open"; readonly transport?: "http" }
  | { readonly phase: "waiting"; readonly retryAt: number }
  | {
      readonly phase: "closed";
      readonly code?: number;
      readonly status?: number;
      readonly reason: string;
      readonly final: boolean;
    };

/** A push: its name and its data. */
export interface Push {
  readonly event: string;
  readonly data: any;
}

/** Messages are missing, so the page may show old data. Load its state again. */
export interface Reset {
  /** `restart`, `history` or `overflow`: see PAGE-PROTOCOL.md. */
  readonly why: "restart" | "history" | "overflow" | (string & {});
  /**
   * Values of `send` that were sent in an epoch that has ended, and that the server has not
   * confirmed. The client does not send them again. Requests are rejected instead. If nothing but
   * these is missing, `why` is `restart` all the same.
   */
  readonly unconfirmed: readonly unknown[];
}

export interface ConnectionEvents {
  /** Every change of `state`. */
  state: CustomEvent<State>;
  /** A message of the handler, except answers to requests. */
  message: CustomEvent<string | Uint8Array>;
}

export interface StreamEvents extends ConnectionEvents {
  reset: CustomEvent<Reset>;
  /** Every push, whatever its name; `on` filters by name. */
  push: CustomEvent<Push>;
  /**
   * Over HTTP, no part of a response arrives in time: a proxy seems to keep responses until their
   * end. The stream tries a WebSocket, and then HTTP again. The server logs it too.
   */
  buffered: CustomEvent<null>;
}

export interface Connection extends EventTarget {
  readonly state: State;

  /**
   * Sends a string as text, an `ArrayBuffer` or a view of one as binary, and anything else as
   * JSON. (A `Blob` has no JSON: pass its `arrayBuffer()`.) The value is encoded at once; later
   * changes have no effect. While there is no connection, the message is queued; a stream keeps
   * it until the server has accepted it. An empty queue accepts a message of any size.
   *
   * @throws {RangeError} if the queue is full: messages are never dropped silently.
   * @throws {DOMException} `InvalidStateError`, if the connection is closed for good.
   * @throws {TypeError} if the value has no JSON.
   */
  send(value: unknown): void;

  /**
   * Sends `{"call": id, "body": body}` and waits for its answer: in Rust, a `Call<T>` and an
   * `Answer<R, E>`. Rejects with a {@link RequestError}, with the `RangeError` or `TypeError` of
   * `send`, or with the reason of the `signal`.
   */
  request<T = any>(body: unknown, options?: RequestOptions): Promise<T>;

  /**
   * Closes for good; queued messages are not sent. On the server, a stream ends without grace.
   * `code` is 1000 or 3000 to 4999.
   */
  close(code?: number, reason?: string): void;

  addEventListener<K extends keyof ConnectionEvents>(
    type: K,
    listener: (this: this, event: ConnectionEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

export interface Stream extends Connection {
  /** The id of the page; `undefined` if it has none and has not connected yet. */
  readonly page: string | undefined;
  /** The epoch of its stream; `undefined` if the page has none and has not connected yet. */
  readonly epoch: string | undefined;
  /** The offset of the last message that was delivered in this epoch. */
  readonly offset: number;

  /** Listens to the pushes with one name. Returns a function that removes the listener. */
  on<T = any>(event: string, listener: (data: T) => void): () => void;

  addEventListener<K extends keyof StreamEvents>(
    type: K,
    listener: (this: this, event: StreamEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

export interface RequestOptions {
  /** Milliseconds, 10,000 by default, including the time in the queue. */
  timeout?: number;
  signal?: AbortSignal;
}

/** To get the default of an option, leave it out: `undefined` overrides the default. */
export interface Options {
  /** The constructor to use instead of the global one. */
  WebSocket?: typeof WebSocket;
  /** Asks for the reason of a refused handshake, and for a fresh page. */
  fetch?: typeof fetch;
  /** Subprotocols to offer. A stream offers its own. */
  protocols?: string | string[];
  /** The largest number of queued messages: 256. */
  queue?: number;
  /** The size limit of the queue, in bytes or UTF-16 units of text: 1 MiB. */
  queueBytes?: number;
  /**
   * The shortest delay before the second attempt, in milliseconds: 500. A server with many pages may
   * spread their return over a longer time.
   */
  minDelay?: number;
  /**
   * The longest delay between attempts, in milliseconds: 15,000, which is less than a page's
   * grace time. A server may ask for more with `Retry-After`.
   */
  maxDelay?: number;
  /**
   * The deadline of a handshake, and the silence after which a stream sends a ping, in
   * milliseconds: 25,000.
   */
  heartbeat?: number;
  /** The deadline of the answer to a ping and of the response to a fetch, in milliseconds: 10,000. */
  deadline?: number;
  /**
   * What carries a stream: `websocket`; `http`; or `auto`, which uses HTTP after two handshakes in a
   * row that the server has not answered, and returns to a WebSocket as soon as one opens, or after
   * two requests in a row that open no stream. HTTP needs `Server::http_fallback`. The default is `websocket`; the tag of such a server asks for
   * `auto`. `connect` always uses a WebSocket.
   */
  transport?: "auto" | "websocket" | "http";
  /**
   * The delay before a stream over HTTP first tries to return to a WebSocket, in milliseconds:
   * 30,000. It doubles with each attempt, up to ten minutes.
   */
  probeDelay?: number;
  /** Returns a number from 0 up to, but not including, 1. */
  random?: () => number;
}

export interface PageOptions extends Options {
  /** The id that was issued to the page. Without it, the first connection gets one. */
  page?: string;
  /** The epoch that the page was rendered with. */
  epoch?: string;
  /**
   * The base of the cursor that the page was rendered with. Without it, a page that was away for
   * longer than its grace time gets a reset.
   */
  base?: string;
  /** The query parameter for the id: `z_pid`. */
  parameter?: string;
  /**
   * The URL that issues fresh pages: the server's `/ws-server/page`. Without it, a page that is
   * superseded or becomes too old is closed for good.
   */
  fresh?: string;
}
