// npm's `ws` as a client that another process drives: one JSON object a line in, one a line out.
// In:  {"do":"open","url":..,"headers":{},"protocols":[]}, send {text|base64}, ping, pause, resume, close {code}, cut
// Out: {"is":"open","protocol":..}, refused {status, body}, text {text}, pinged, ponged, closed {code, reason}
import { createInterface } from "node:readline";
import WebSocket from "ws";

const tell = (is, more = {}) => process.stdout.write(JSON.stringify({ is, ...more }) + "\n");
let socket;

function open({ url, headers, protocols }) {
  socket = new WebSocket(url, protocols, { headers });
  socket.on("open", () => tell("open", { protocol: socket.protocol }));
  socket.on("unexpected-response", (_, response) => {
    let body = "";
    response.on("data", (bytes) => (body += bytes));
    response.on("end", () => tell("refused", { status: response.statusCode, body }));
  });
  socket.on("message", (data, isBinary) => tell(isBinary ? "binary" : "text", { text: data.toString() }));
  socket.on("ping", () => tell("pinged"));
  socket.on("pong", () => tell("ponged"));
  socket.on("close", (code, reason) => tell("closed", { code, reason: reason.toString() }));
  socket.on("error", (error) => console.error(String(error)));
}

const does = {
  open,
  send: ({ text, base64 }) => socket.send(text ?? Buffer.from(base64, "base64")),
  ping: () => socket.ping(),
  pause: () => socket.pause(),
  resume: () => socket.resume(),
  close: ({ code }) => socket.close(code),
  // As a network does it: without a word.
  cut: () => socket.terminate(),
};

createInterface({ input: process.stdin }).on("line", (line) => {
  const order = JSON.parse(line);
  does[order.do](order);
});
