// The one WebSocket to the console: opens it, opens it again, and takes its messages apart. It decides nothing.

const AGAIN_AFTER_MS = 400;
const SILENT_AFTER_MS = 2500;
const HEADER_SIZE = 24;
const VERSION = 1;

export const KEY = 1;
export const DAMAGED = 2;
export const CATCHING_UP = 4;

/** One picture of a binary message, or null if it is of a version that this page does not know. */
export function parsePicture(buffer) {
  if (buffer.byteLength < HEADER_SIZE) return null;
  const view = new DataView(buffer);
  if (view.getUint8(0) !== VERSION) return null;
  return {
    flags: view.getUint8(1),
    stream: view.getUint16(2, true),
    number: view.getUint32(4, true),
    arrived: view.getFloat64(8, true), // unix seconds
    timestamp: view.getUint32(16, true), // 90 kHz
    lost: view.getUint32(20, true), // packets
    annexb: new Uint8Array(buffer, HEADER_SIZE),
  };
}

/**
 * `on.hello`, `on.state`, `on.track` take a message; `on.picture` a picture; `on.gone` a sentence that says why nothing
 * comes; `on.back` is called when something comes again.
 */
export class Live {
  constructor(on) {
    this.on = on;
    this.heard = performance.now();
    this.up = false;
    this.ended = false;
    this.open();
    setInterval(() => this.watchSilence(), 500);
  }

  open() {
    if (this.ended) return;
    const socket = new WebSocket(`ws://${location.host}/live`);
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => this.take(event.data);
    socket.onclose = (event) => this.closed(event);
    this.socket = socket;
  }

  take(data) {
    if (data instanceof ArrayBuffer) {
      const picture = parsePicture(data);
      if (picture) this.on.picture(picture);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === 'state') this.heardNow();
    this.on[message.type]?.(message);
  }

  heardNow() {
    this.heard = performance.now();
    if (!this.up) {
      this.up = true;
      this.on.back();
    }
  }

  watchSilence() {
    if (this.up && performance.now() - this.heard > SILENT_AFTER_MS) this.lose('it is silent');
  }

  lose(why) {
    this.up = false;
    this.on.gone(why);
  }

  async closed(event) {
    this.lose(event.reason || 'it is not running');
    const refused = await fetch('/').then((answer) => answer.status === 403, () => false);
    if (refused) this.lose('this link is no longer valid: ask for a new one (zegel console --link)');
    setTimeout(() => this.open(), AGAIN_AFTER_MS);
  }

  /** No more: the viewer has logged out. */
  end() {
    this.ended = true;
    this.socket.close();
  }

  /** Whether it could be sent. */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }
}
