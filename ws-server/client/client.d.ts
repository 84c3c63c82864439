/**
 * The browser's side of ws-server: connections that come back by themselves, and the stream of a
 * page, which loses and doubles nothing on the way.
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
 * The stream of this page, as the server's script tag describes it
 * (`<script data-stream data-page data-epoch data-parameter data-fresh>`). Every call gives the
 * same object. It begins to connect at `DOMContentLoaded`, when all module and deferred scripts
 * have run, or at once where that is over: listeners that they add miss nothing.
 *
 * @throws {Error} where the page has no such tag.
 */
export function stream(): Stream;

/**
 * A connection to any WebSocket route. `url` may be relative and may begin with `http`. It
 * connects once the running script is done.
 *
 * What was handed to a connection that is lost is lost; what was sent in between is queued. There
 * is no heartbeat, as a handler of any kind would not know it.
 */
export function connect(url: string | URL, options?: Options): Connection;

/** The stream of a page that has no tag, such as a single-page application's. */
export function connectPage(url: string | URL, options: PageOptions): Stream;

/** A request that failed. Its message names the request. */
export class RequestError extends Error {
  /** Only the module makes them. */
  private constructor();
  readonly name: "RequestError";
  /** The number under which the request went over the wire. */
  readonly id: number;
  /**
   * - `answer`: the server answered with an error, see `error`.
   * - `timeout`: no answer in time. A request that was not sent yet will not be.
   * - `closed`: the connection is closed for good, or, of a `connect`, was lost after the
   *   request was sent. The request may have been handled.
   * - `reset`: it was sent in an epoch that is gone. It may have been handled.
   */
  readonly kind: "answer" | "timeout" | "closed" | "reset";
  /** What the server answered, where `kind` is `answer`. */
  readonly error?: unknown;
}

/**
 * What the connection is doing.
 *
 * - `connecting`: a handshake is on its way, or its refusal is being asked for.
 * - `open`: messages flow. Of a stream: the server has said `welcome`.
 * - `waiting`: the next try is at `retryAt`, in milliseconds since 1970.
 * - `offline`: the browser says that there is no network; it tries again once there is, or
 *   when the page is looked at.
 * - `closed`: with the close code, or the status and the text (200 characters) of a refusal. It is
 *   `final`, unless another tab has taken the page: then it goes on when this one is looked at.
 */
export type State =
  | { readonly phase: "connecting" | "open" | "offline" }
  | { readonly phase: "waiting"; readonly retryAt: number }
  | {
      readonly phase: "closed";
      readonly code?: number;
      readonly status?: number;
      readonly reason: string;
      readonly final: boolean;
    };

/** A push by its name. */
export interface Push {
  readonly event: string;
  readonly data: any;
}

/** Messages are missing: what the page shows may be out of date. Load its state anew. */
export interface Reset {
  /** `restart`, `history` or `overflow`, see PAGE-PROTOCOL.md. */
  readonly why: "restart" | "history" | "overflow" | (string & {});
  /**
   * What was given to `send` and sent in an epoch that is gone, and is not known to have been
   * accepted. It will not be sent again by itself. Requests are rejected instead.
   */
  readonly unconfirmed: readonly unknown[];
}

export interface ConnectionEvents {
  /** Every change of `state`. */
  state: CustomEvent<State>;
  /** A message of the handler; answers to requests are none. */
  message: CustomEvent<string | Uint8Array>;
}

export interface StreamEvents extends ConnectionEvents {
  reset: CustomEvent<Reset>;
  /** Every push, beside `on`. */
  push: CustomEvent<Push>;
}

export interface Connection extends EventTarget {
  readonly state: State;

  /**
   * Sends a string as text, an `ArrayBuffer` or a view of one as binary, and anything else as
   * JSON. (A `Blob` has no JSON: give its `arrayBuffer()`.) It is read at once; later changes
   * do not count. While there is no connection it is queued; a stream keeps it until the server
   * has accepted it. Any one message is let into an empty queue.
   *
   * @throws {RangeError} where the queue is full: nothing is dropped in silence.
   * @throws {DOMException} `InvalidStateError`, where the connection is closed for good.
   * @throws {TypeError} where the value has no JSON.
   */
  send(value: unknown): void;

  /**
   * Sends `{"call": id, "body": body}` and waits for its answer, in Rust a `Call<T>` and an
   * `Answer<R, E>`. Rejects with a {@link RequestError}, with the `RangeError` of `send`, or with
   * the reason of the `signal`.
   */
  request<T = any>(body: unknown, options?: RequestOptions): Promise<T>;

  /**
   * Closes for good; what is still queued is not sent. A stream ends on the server, without
   * grace. `code` is 1000 or 3000 to 4999.
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
  /** The id of the page. */
  readonly page: string;
  /** The epoch of its stream; `undefined` before the first connection of a page without one. */
  readonly epoch: string | undefined;
  /** The number of the last message that was delivered in this epoch. */
  readonly offset: number;

  /** Listens to the pushes of one name; the function that it gives ends that. */
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
  /** Milliseconds, 10,000 by default; it runs while the request is queued, too. */
  timeout?: number;
  signal?: AbortSignal;
}

/** Leave an option out, rather than giving `undefined`, where its default is wanted. */
export interface Options {
  /** The constructor to use instead of the global one. */
  WebSocket?: typeof WebSocket;
  /** What asks why a handshake was refused, and for a fresh page. */
  fetch?: typeof fetch;
  /** Subprotocols to offer. A stream has its own. */
  protocols?: string | string[];
  /** So many messages may be queued: 256. */
  queue?: number;
  /** So many bytes, or UTF-16 units of text: 1 MiB. */
  queueBytes?: number;
  /** Milliseconds before the second try, at least: 500. */
  minDelay?: number;
  /**
   * Milliseconds between tries, at most: 15,000, which is less than a page's grace time. A
   * server may ask for more.
   */
  maxDelay?: number;
  /**
   * Milliseconds for a handshake, and of silence before a stream asks for a sign of life:
   * 25,000.
   */
  heartbeat?: number;
  /** Milliseconds for that sign, and for the answer to a fetch: 10,000. */
  deadline?: number;
  /** A number from 0 to below 1. */
  random?: () => number;
}

export interface PageOptions extends Options {
  /** The id that was issued to the page. */
  page: string;
  /** The epoch with which it was rendered. */
  epoch?: string;
  /** The query parameter of the id: `z_pid`. */
  parameter?: string;
  /**
   * Where a fresh page is to be had: the server's `/ws-server/page`. Without it, a page that was
   * superseded or became too old is closed for good.
   */
  fresh?: string;
}
