/**
 * WebSockets to the server that come back by themselves.
 *
 * @typedef {import("./types.js").Result} Result
 */

const FULL = 1013;
const IDLE = 4408;
const LONGEST_PAUSE = 5000;
const LOST = "The connection was lost, and the report with it.";

/**
 * @param {string} path
 * @returns {string}
 */
function address(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

/** A WebSocket that is opened again whenever it is lost, until `close`. */
class Lasting {
  /** @param {string} path */
  constructor(path) {
    this.path = path;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.pause = 500;
    this.closed = false;
    this.idle = false;
    /** Whether the server was full at the last try; whether it still is, only its first message shows. */
    this.full = false;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {(message: string) => void} called with a problem, or with "" once it is solved */
    this.onProblem = () => {};
    this.connect();
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    this.idle = false;
    const socket = new WebSocket(address(this.path));
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => this.opened();
    socket.onmessage = ({ data }) => {
      this.pause = 500;
      if (this.full) this.onProblem("");
      this.full = false;
      this.received(data);
    };
    socket.onclose = ({ code, reason }) => this.lost(code, reason);
  }

  opened() {}

  /** @param {string | ArrayBuffer} _data */
  received(_data) {}

  /**
   * @param {number} code
   * @param {string} reason
   */
  lost(code, reason) {
    if (this.closed) return;
    this.socket = null;
    if (code === IDLE) {
      this.idle = true; // until there is something to send
      return;
    }
    this.full = code === FULL;
    if (this.full) this.pause = LONGEST_PAUSE;
    this.onProblem(reason || "The server does not answer. Trying again …");
    this.timer = setTimeout(() => this.connect(), this.pause);
    this.pause = Math.min(2 * this.pause, LONGEST_PAUSE);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.socket?.close(1000);
  }
}

/** Also sends commands, and gets the report of what was recorded. */
class CommandConnection extends Lasting {
  /**
   * @param {string} path
   * @param {Record<string, unknown>} options that hold from the beginning
   */
  constructor(path, options) {
    super(path);
    /** What holds for the stream; it is sent again after the connection was lost. */
    this.options = options;
    /** Called whenever the connection is there, the first time and again. */
    this.onOpened = () => {};
    /** @type {((page: {page?: string, error?: string}) => void) | null} */
    this.onReport = null;
  }

  opened() {
    this.socket?.send(JSON.stringify(this.options));
    if (!this.full) this.onProblem("");
    this.onOpened();
  }

  /** @param {{page?: string, error?: string}} message */
  reported(message) {
    this.onReport?.(message);
    this.onReport = null;
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  lost(code, reason) {
    this.reported({ error: LOST });
    super.lost(code, reason);
  }

  /**
   * Change options, or record for a report.
   *
   * @param {Record<string, unknown>} command
   */
  command(command) {
    const { report: _, ...options } = command; // a recording does not survive a lost connection
    Object.assign(this.options, options);
    if (this.isOpen) this.socket?.send(JSON.stringify(command));
  }

  /**
   * The report of what was recorded since `report: "start"`.
   *
   * @returns {Promise<{page?: string, error?: string}>}
   */
  report() {
    return new Promise((resolve) => {
      if (!this.isOpen) {
        resolve({ error: LOST });
        return;
      }
      this.onReport = resolve;
      this.command({ report: "end" });
    });
  }
}

/** Sends frames, one at a time, and gets their results. */
export class FrameConnection extends CommandConnection {
  /** @param {Record<string, unknown>} options that hold from the first frame on */
  constructor(options) {
    super("/v1/frames", options);
    /** @type {number | null} the number of the frame that has no answer yet */
    this.inFlight = null;
    /** @type {(result: Result) => void} */
    this.onResult = () => {};
  }

  /** Whether a frame may be sent now. Opens the connection again if it was closed because nothing was sent. */
  get isReady() {
    if (this.idle) this.connect();
    return this.isOpen && this.inFlight === null;
  }

  opened() {
    this.inFlight = null;
    super.opened();
  }

  /** @param {string | ArrayBuffer} data */
  received(data) {
    const message = JSON.parse(String(data));
    if (message.type === "report") this.reported(message);
    else if (message.frame === this.inFlight) {
      this.inFlight = null;
      this.onResult(message);
    }
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  lost(code, reason) {
    this.inFlight = null;
    super.lost(code, reason);
  }

  /**
   * @param {number} number
   * @param {number} time seconds
   * @param {ArrayBuffer} picture
   */
  send(number, time, picture) {
    const message = new Uint8Array(12 + picture.byteLength);
    const header = new DataView(message.buffer);
    header.setUint32(0, number, true);
    header.setFloat64(4, time, true);
    message.set(new Uint8Array(picture), 12);
    this.socket?.send(message);
  }
}

/** Gets the pictures and results of the server's own source. */
export class SourceConnection extends CommandConnection {
  /** @param {Record<string, unknown>} options that hold from the beginning */
  constructor(options) {
    super("/v1/stream?pictures=true&detail=true", options);
    /** @type {(result: Result, picture: Blob) => void} */
    this.onResult = () => {};
  }

  /** @param {string | ArrayBuffer} data */
  received(data) {
    if (typeof data === "string") {
      this.reported(JSON.parse(data));
      return;
    }
    const length = new DataView(data).getUint32(0, true);
    const result = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.onResult(result, new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
  }
}

/** Gets the results of the server's own source, without pictures but with their size. */
export class OverlayConnection extends Lasting {
  constructor() {
    super("/v1/stream?detail=true");
    /** @type {(result: Result) => void} */
    this.onResult = () => {};
  }

  /** @param {string | ArrayBuffer} data */
  received(data) {
    this.onResult(JSON.parse(String(data)));
  }
}
