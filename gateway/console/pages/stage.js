// The pictures: one large, the other lane in its corner, a small one for each aircraft; and what is laid over them.

import { damage, isClosed, veil } from './conditions.js';
import { hide, mark, put } from './dom.js';
import { Player } from './video.js';
import { age } from './words.js';

export const LANES = ['video_a', 'video_b'];
const LANE_NAMES = { video_a: 'camera A', video_b: 'camera B' };

export const keyOf = (aircraft) => `${aircraft.ground}/${aircraft.device}`;

/** All streams that are in sight. */
export class Stage {
  constructor(send) {
    this.send = send;
    this.players = new Map(); // "ground/device/lane" -> Player
    this.ids = new Map(); // stream id -> the same key
    this.watched = '';
  }

  /** The streams of a new `state`. */
  streams(aircraft) {
    this.ids.clear();
    for (const one of aircraft) {
      for (const stream of one.streams ?? []) {
        const key = `${keyOf(one)}/${stream.lane}`;
        this.ids.set(stream.id, key);
        this.player(key).id = stream.id;
        this.player(key).state(stream.codec && stream.codec !== 'h264' ? stream.codec_string || stream.codec : null);
      }
    }
  }

  player(key) {
    if (!this.players.has(key)) {
      const player = new Player(() => this.send({ type: 'again', stream: player.id }));
      this.players.set(key, player);
    }
    return this.players.get(key);
  }

  take(picture) {
    const key = this.ids.get(picture.stream);
    if (key) this.players.get(key).take(picture);
  }

  /** Asks for what is in sight and nothing else. `screens`: [aircraft, lane, canvas] of all that is. */
  watch(screens) {
    const wanted = new Map();
    for (const [aircraft, lane, canvas] of screens) {
      const key = `${keyOf(aircraft)}/${lane}`;
      if (!wanted.has(key)) wanted.set(key, [{ ground: aircraft.ground, device: aircraft.device, lane }, new Set()]);
      wanted.get(key)[1].add(canvas);
    }
    this.handOver(wanted);
    this.ask([...wanted.values()].map(([stream]) => stream));
  }

  /** Nobody sees the page: what is on its canvases stays there, and nothing more is asked for. */
  rest() {
    this.ask([]);
    for (const player of this.players.values()) player.pause();
  }

  ask(streams) {
    const text = JSON.stringify(streams);
    if (text !== this.watched && this.send({ type: 'watch', streams })) this.watched = text;
  }

  /** Gives each player its canvases. One that is new to it gets its last picture, or none: never that of another stream. */
  handOver(wanted) {
    const painting = [];
    for (const key of new Set([...this.players.keys(), ...wanted.keys()])) {
      const player = this.player(key);
      const before = player.screens;
      player.screens = wanted.get(key)?.[1] ?? new Set();
      const added = [...player.screens].filter((canvas) => !before.has(canvas));
      const last = player.arrived === null || before.size === 0 ? null : copyOf([...before][0]);
      for (const canvas of added) painting.push([canvas, last]);
      if (last === null && added.length) player.arrived = null;
      if (player.screens.size === 0) player.pause();
    }
    for (const [canvas, last] of painting) paintLast(canvas, last);
  }

  /** The socket is another: it has been asked for nothing, and its streams may have other numbers. */
  afresh() {
    this.watched = '';
    for (const player of this.players.values()) player.pause();
  }
}

function copyOf(canvas) {
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [canvas.width, canvas.height];
  copy.getContext('2d').drawImage(canvas, 0, 0);
  return copy;
}

function paintLast(canvas, last) {
  [canvas.width, canvas.height] = last ? [last.width, last.height] : [16, 9];
  if (last) canvas.getContext('2d', { alpha: false }).drawImage(last, 0, 0);
}

/** Nothing that this station has seen stays in sight. */
function goDark(player) {
  player.pause();
  player.arrived = null;
  for (const canvas of player.screens) paintLast(canvas, null);
}

/** Lays over one screen what is true of its picture now. */
export function showScreen(node, aircraft, lane, stage, world) {
  const stream = aircraft?.streams?.find((one) => one.lane === lane) ?? null;
  const player = aircraft ? stage.players.get(`${keyOf(aircraft)}/${lane}`) : null;
  if (player?.arrived != null && isClosed(aircraft)) goDark(player);
  const pictureAge = player?.arrived == null ? null : (performance.now() - player.arrived) / 1000;
  const over = veil(aircraft, stream, player, pictureAge, world);
  const [veilNode, markNode] = [node.querySelector('.veil'), node.querySelector('.mark')];
  hide(veilNode, over === null);
  mark(node, 'state', over === null ? 'live' : pictureAge === null ? 'none' : 'old');
  put(veilNode.querySelector('.veil-word'), over?.word ?? '');
  put(veilNode.querySelector('.veil-age'), typeof over?.age === 'number' ? `picture ${age(over.age)} old` : '');
  put(veilNode.querySelector('.veil-detail'), over?.detail ?? '');
  const damaged = player && over === null ? damage(player.recent()) : '';
  put(markNode, damaged);
  hide(markNode, damaged === '');
  return player;
}

/** "uav1  camera A 1280×720", with the ground if there are several. */
export function laneName(aircraft, lane, player, withGround) {
  if (!aircraft) return '';
  const size = player?.size ? ` ${player.size[0]}×${player.size[1]}` : '';
  const transcoded = aircraft.streams?.some((one) => one.lane === lane && one.transcoded) ? ' transcoded' : '';
  const ground = withGround ? ` at ${aircraft.ground}` : '';
  return `${aircraft.device}${ground}  ${LANE_NAMES[lane] ?? lane}${size}${transcoded}`;
}
