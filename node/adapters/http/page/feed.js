// The node's own WebSocket, from the first connection through every restart.
//
//   connecting ──▶ live ──▶ silent ──▶ lost ──▶ connecting ──▶ …
//            └──▶ refused ──▶ connecting ──▶ …
//
// A node that is gone closes the socket; one that hangs leaves it open and says nothing, so silence
// is watched, too. One that answers with an error may think better of it. Each attempt that fails
// doubles the wait before the next, with some chance in it so that many pages do not come back all
// at once.

const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5_000;
const SILENT_AFTER_MS = 3_000;
const GIVEN_UP_AFTER_MS = 12_000;
const SUBSCRIBE = JSON.stringify({ id: 1, method: "subscribe", params: { channel: "load" } });

export class Feed {
  /** `onLine(line)` gets each load line, `onState(state, detail)` each change of the state. */
  constructor(url, onLine, onState) {
    this.url = url;
    this.onLine = onLine;
    this.onState = onState;
    this.state = "connecting";
    this.socket = null;
    this.failures = 0;
    this.heardAt = 0;
    this.retry = 0;
  }

  start() {
    this.#connect();
    setInterval(() => this.#watch(), 500);
    // Whoever comes back to the page, or to the network, need not wait for the next attempt.
    addEventListener("online", () => this.now());
    document.addEventListener("visibilitychange", () => document.hidden || this.now());
  }

  /** Try again at once, if there is no connection. */
  now() {
    if (this.socket === null) this.#connect();
  }

  #connect() {
    clearTimeout(this.retry);
    this.#become("connecting");
    this.heardAt = performance.now();
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => socket.send(SUBSCRIBE);
    // A socket that was given up may still have something to say.
    socket.onmessage = ({ data }) => this.socket === socket && this.#hear(JSON.parse(data));
    socket.onclose = () => this.socket === socket && this.#lose();
  }

  #hear(message) {
    this.heardAt = performance.now();
    if (message.channel === "load") {
      this.failures = 0;
      this.#become("live");
      this.onLine(message);
    } else if (message.error) {
      this.#lose("refused", message.error.name);
    }
  }

  #watch() {
    const silence = performance.now() - this.heardAt;
    const open = this.state === "live" || this.state === "silent" || this.state === "connecting";
    if (open && silence > GIVEN_UP_AFTER_MS) {
      this.#lose();
    } else if (this.state === "live" && silence > SILENT_AFTER_MS) {
      this.#become("silent");
    }
  }

  #lose(state = "lost", detail = "") {
    const socket = this.socket;
    this.socket = null;
    socket.close();
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures);
    this.failures += 1;
    const delay = wait * (0.75 + Math.random() / 2);
    this.retry = setTimeout(() => this.#connect(), delay);
    this.#become(state, detail);
  }

  #become(state, detail = "") {
    // While it only tries again, what the reader should know is still that the node is lost.
    const changed = state !== this.state;
    this.state = state;
    if (changed || detail) this.onState(state, detail);
  }
}
