// One stream of pictures, decoded by WebCodecs and drawn on canvases. What is said about it is in stage.js.
//
// A damaged picture is decoded like any other: with 1 % of the packets lost every picture still comes, and waiting for the
// next key picture would leave a quarter of them. A decoder that dies, or stays behind, is made anew, in software
// (webcodecs#528, #899), and the console sends again what came since the last key picture.

import { describe } from './codec.js';
import { CATCHING_UP, DAMAGED, KEY } from './live.js';

const BEHIND_MAX = 5; // pictures
const BEHIND_FOR_MS = 500; // a burst is no decoder that is behind
const HUNG_FOR_MS = 2000;
const LATE_MAX = 20; // pictures; a computer that is so far behind goes on at the next key picture
const WITHOUT_DECODER_MS = 2000;
const FORGOTTEN_AFTER = 40; // pictures: a decoder gives none for what it could not decode
const CATCH_UP_FOR_MS = 3000;
const ANEW_AT_MOST_EVERY_MS = 500;
const HELD_FOR_MS = 100;
const LATENCIES = 1000;
const WINDOW_S = 10;

export class Player {
  /** `again` asks the console for the pictures since the last key picture. */
  constructor(again) {
    this.again = again;
    this.screens = new Set();
    this.counts = { received: 0, shown: 0, damaged: 0, caughtUp: 0, lost: 0, restarts: 0, errors: 0, skips: 0 };
    this.latencies = [];
    this.size = null; // [width, height] of the last picture
    this.arrived = null; // performance.now() when the last picture that is shown came to this computer
    this.unsupported = null; // the codec string that this browser cannot decode
    this.codec = null;
    this.refused = false; // it cannot begin with what the stream calls a key picture
    this.software = false;
    this.fatal = null; // number of the picture at which the decoder died: not decoded again
    this.seconds = []; // [second, pictures, damaged, lost] of the last ten
    this.anewAt = -Infinity;
    this.held = null; // the last picture of those that catch up
    this.begin();
  }

  begin() {
    this.sent = 0;
    this.out = 0; // the highest number that came back
    this.outAt = 0;
    this.waiting = new Map(); // number -> picture, sent to the decoder and not back yet
    this.behindSince = null;
    this.graceUntil = 0;
  }

  /** A picture of the console. */
  take(picture) {
    this.counts.received += 1;
    this.note(picture);
    const key = (picture.flags & KEY) !== 0;
    const said = this.stated ? { codec: this.stated, slice: true } : describe(picture.annexb);
    if (!said.slice) return; // what is left of a damaged picture: a decoder would die of it
    const codec = said.codec;
    if (key && codec && (codec !== this.codec || !this.decoder)) this.configure(codec);
    if (!this.decoder) this.watchWithout();
    if (this.decoder?.state !== 'configured' || (this.sent === 0 && !key) || picture.number === this.fatal) return;
    this.decode(picture, key);
    this.watchBehind();
  }

  note(picture) {
    if (picture.flags & CATCHING_UP) return;
    const second = Math.floor(performance.now() / 1000);
    let last = this.seconds[this.seconds.length - 1];
    if (!last || last[0] !== second) this.seconds.push((last = [second, 0, 0, 0]));
    this.seconds = this.seconds.filter((one) => one[0] > second - WINDOW_S);
    last[1] += 1;
    if (!(picture.flags & DAMAGED)) return;
    last[2] += 1;
    last[3] += picture.lost;
    this.counts.damaged += 1;
    this.counts.lost += picture.lost;
  }

  /** Pictures, damaged ones and lost packets of the last ten seconds. */
  recent() {
    const from = Math.floor(performance.now() / 1000) - WINDOW_S;
    const sum = [0, 0, 0];
    for (const one of this.seconds.filter((each) => each[0] > from)) sum.forEach((_, at) => (sum[at] += one[at + 1]));
    return { pictures: sum[0], damaged: sum[1], lost: sum[2] };
  }

  /** The codec string by which the console tells of a stream that is not H.264; null for one that is. */
  async state(codecString) {
    if (codecString === this.stated) return;
    this.stated = codecString;
    if (!codecString || typeof VideoDecoder === 'undefined') return;
    const answer = await VideoDecoder.isConfigSupported({ codec: codecString }).catch(() => ({ supported: false }));
    if (this.stated === codecString) this.unsupported = answer.supported ? null : codecString;
  }

  configure(codec) {
    this.close();
    this.begin();
    if (this.unsupported || typeof VideoDecoder === 'undefined') return;
    this.codec = codec;
    const decoder = new VideoDecoder({
      output: (frame) => this.draw(frame, decoder),
      error: () => this.died(decoder),
    });
    const hardwareAcceleration = this.software ? 'prefer-software' : 'no-preference';
    decoder.configure({ codec, optimizeForLatency: true, hardwareAcceleration });
    this.decoder = decoder;
    this.withoutSince = null;
  }

  decode(picture, key) {
    this.sent += 1;
    this.waiting.set(this.sent, picture);
    if (picture.flags & CATCHING_UP) this.graceUntil = performance.now() + CATCH_UP_FOR_MS;
    const chunk = { type: key ? 'key' : 'delta', timestamp: this.sent, data: picture.annexb };
    try {
      this.decoder.decode(new EncodedVideoChunk(chunk));
    } catch (error) {
      if (error.name === 'DataError') this.refuse();
      else this.died(this.decoder);
    }
  }

  /** Cameras that refresh their picture bit by bit send no picture with which every decoder can begin. */
  refuse() {
    this.refused = true;
    this.pause();
  }

  draw(frame, decoder) {
    const picture = decoder === this.decoder ? this.back(frame.timestamp) : null;
    if (!picture) return frame.close();
    this.letGo();
    if (picture.flags & CATCHING_UP) return this.hold(frame, picture);
    this.show(frame, picture);
    return frame.close();
  }

  /** It only leads to the picture that is to be shown, unless none follows: the stream may have stopped. */
  hold(frame, picture) {
    this.counts.caughtUp += 1;
    this.held = { frame, timer: setTimeout(() => this.showHeld(picture), HELD_FOR_MS) };
  }

  showHeld(picture) {
    this.show(this.held.frame, picture);
    this.letGo();
  }

  letGo() {
    if (!this.held) return;
    clearTimeout(this.held.timer);
    this.held.frame.close();
    this.held = null;
  }

  back(number) {
    const picture = this.waiting.get(number);
    this.out = Math.max(this.out, number);
    this.outAt = performance.now();
    for (const older of this.waiting.keys()) {
      if (older <= number - FORGOTTEN_AFTER || older === number) this.waiting.delete(older);
    }
    return picture;
  }

  show(frame, picture) {
    this.size = [frame.displayWidth, frame.displayHeight];
    for (const screen of this.screens) paint(screen, frame);
    const late = Date.now() - picture.arrived * 1000;
    this.arrived = performance.now() - Math.max(0, late);
    this.missing = picture.flags & DAMAGED ? picture.lost : 0;
    this.counts.shown += 1;
    this.refused = false;
    if (picture.flags & CATCHING_UP) return;
    this.latencies.push(late);
    if (this.latencies.length > LATENCIES) this.latencies.shift();
  }

  /**
   * Pictures of which nothing comes out although none waits to be decoded lack what they refer to: a key picture was lost, and
   * the next one ends it. That is no reason for a new decoder, unless a hardware's says nothing at all for long.
   */
  watchBehind() {
    const now = performance.now();
    if (this.sent - this.out <= BEHIND_MAX) {
      this.graceUntil = 0; // it has caught up
      this.behindSince = null;
      return;
    }
    if (now < this.graceUntil) return;
    this.behindSince ??= now;
    const waiting = this.decoder.decodeQueueSize;
    if (this.software) {
      if (waiting > LATE_MAX) this.skip();
      return;
    }
    const late = waiting > BEHIND_MAX || now - this.outAt < BEHIND_FOR_MS;
    if (now - this.behindSince > (late ? BEHIND_FOR_MS : HUNG_FOR_MS)) this.anew();
  }

  /** This computer is too slow: what is late is left out, up to the next key picture that comes by itself. */
  skip() {
    this.counts.skips += 1;
    this.pause();
  }

  /** Pictures come and no key picture is among them: the console may have one to begin with. */
  watchWithout() {
    const now = performance.now();
    this.withoutSince ??= now;
    if (now - this.withoutSince < WITHOUT_DECODER_MS) return;
    this.withoutSince = now;
    this.again();
  }

  died(decoder) {
    if (decoder !== this.decoder) return;
    this.counts.errors += 1;
    this.fatal = this.waiting.values().next().value?.number ?? null;
    this.anew();
  }

  /** A new decoder at the next key picture, which the console is asked for. */
  anew() {
    this.close();
    this.software = true;
    this.counts.restarts += 1;
    const wait = Math.max(0, this.anewAt + ANEW_AT_MOST_EVERY_MS - performance.now());
    this.anewAt = performance.now() + wait;
    setTimeout(() => this.again(), wait);
  }

  close() {
    this.letGo();
    if (this.decoder && this.decoder.state !== 'closed') this.decoder.close();
    this.decoder = null;
  }

  /** The console will begin again with a key picture, or not at all: the last picture stays, and its age with it. */
  pause() {
    this.close();
    this.begin();
  }
}

/** Draws a picture as large as it is, or as small as the canvas says it needs. */
function paint(canvas, frame) {
  const scale = Math.min(1, Number(canvas.dataset.width || Infinity) / frame.displayWidth);
  const [width, height] = [Math.round(frame.displayWidth * scale), Math.round(frame.displayHeight * scale)];
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  canvas.getContext('2d', { alpha: false }).drawImage(frame, 0, 0, width, height);
}
