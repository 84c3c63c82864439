// A proxy that does not let WebSockets pass, as some networks do.
import { once } from "node:events";
import http from "node:http";
import net from "node:net";

/**
 * Forwards requests to a port. `blocks` is how it treats handshakes: `strip` removes `Upgrade`,
 * `reset` cuts the connection, `swallow` never answers, and `undefined` lets them pass. While
 * `buffers` is true, a response is passed on when it has ended. `requests` are the methods and
 * paths of all requests, `UPGRADE` for handshakes, `SEND` for messages over HTTP.
 */
export async function blockingProxy(port) {
  const state = { blocks: "strip", buffers: false, requests: [], cut: undefined };
  const sockets = new Set();
  state.cut = () => sockets.forEach((socket) => socket.destroy());
  const keep = (socket) => {
    if (sockets.has(socket)) return;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  };
  const record = (method, url) => {
    const kind = url.includes("&attachment=") ? "SEND" : method;
    state.requests.push(`${kind} ${url.split("?")[0]}`);
  };
  const forward = ({ method, url, headers }, body, response) => {
    const far = http.request({ port, host: "127.0.0.1", method, path: url, headers });
    far.on("socket", keep);
    far.on("error", () => response.destroy());
    far.on("response", (answer) => {
      const { statusCode, headers } = answer;
      const buffers = state.buffers;
      const parts = [];
      if (!buffers) response.writeHead(statusCode, headers).flushHeaders();
      answer.on("data", (part) => (buffers ? parts.push(part) : response.write(part)));
      answer.on("end", () => {
        if (buffers) response.writeHead(statusCode, headers);
        response.end(Buffer.concat(parts));
      });
      answer.on("error", () => response.destroy());
    });
    response.on("close", () => far.destroy());
    body.pipe(far);
  };
  const server = http.createServer((request, response) => {
    record(request.method, request.url);
    forward(request, request, response);
  });
  server.on("connection", keep);
  server.on("upgrade", (request, near, early) => {
    record("UPGRADE", request.url);
    if (state.blocks === "swallow") return;
    if (state.blocks === "reset") return near.destroy();
    if (state.blocks === "strip") {
      const response = new http.ServerResponse(request);
      response.assignSocket(near);
      const { upgrade, connection, ...headers } = request.headers;
      return forward({ ...request, method: "GET", url: request.url, headers }, request, response);
    }
    const far = net.connect(port, "127.0.0.1");
    keep(far);
    const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
    far.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("")}\r\n`);
    far.write(early);
    near.pipe(far).pipe(near);
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  server.unref();
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}/` });
}

/** Waits until the recorded page is open over `http` or, if that is not given, a WebSocket. */
export const openOver = (page, transport) =>
  page.waitForFunction(
    (transport) => {
      const { phase, transport: current } = window.recorded?.live.state ?? {};
      return phase === "open" && current === transport;
    },
    transport,
  );
