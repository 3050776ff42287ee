// The connection: messages of version 1, and a new connection after one that was lost.

export const VERSION = 1;
const FIRST_WAIT = 300, LAST_WAIT = 5000; // milliseconds before the next attempt
const FINAL = new Set([4400, 4429, 4410]); // codes after which a new attempt would fail in the same way, or nobody is there

export class Link {
  constructor(handlers) {
    this.handlers = handlers;
    this.wait = FIRST_WAIT;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.socket?.close(); // one that is still being opened would stay beside the new one
    const address = new URL("/ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = this.socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.handlers.open();
    socket.onmessage = ({ data }) => {
      this.wait = FIRST_WAIT;
      if (typeof data === "string") this.handlers.text(JSON.parse(data));
      else this.handlers.binary(...unpacked(data));
    };
    socket.onclose = ({ code, reason }) => {
      if (socket !== this.socket) return;
      const final = FINAL.has(code);
      this.handlers.close(final, reason);
      if (!final) this.timer = setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(this.wait * 2, LAST_WAIT);
    };
  }

  get connected() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  send(type, values = {}) {
    if (this.connected) this.socket.send(JSON.stringify({ type, ...values }));
  }

  sendBytes(type, values, content) {
    if (!this.connected) return;
    const header = new TextEncoder().encode(JSON.stringify({ type, ...values }));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, header.length, true);
    this.socket.send(new Blob([length, header, content]));
  }
}

function unpacked(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return [header, new Uint8Array(data, 4 + length)];
}
