// What is large and what is small: the row of aircraft, the map in place of the picture, full screen, contrast.

import { trouble } from './conditions.js';
import { by, element, hide, mark, put, rows } from './dom.js';
import { keyOf, showScreen } from './stage.js';
import { LOW_PERCENT } from './telemetry.js';
import { age, number } from './words.js';

const SMALL_MAX = 8;
const SMALL_WIDTH = '320';

/** The row of small ones; `choose(key)` makes one large. */
export function showFleet(aircraft, large, stage, worldOf, choose) {
  const shown = aircraft.slice(0, SMALL_MAX);
  const severalGrounds = new Set(aircraft.map((one) => one.ground)).size > 1;
  const row = by('fleet');
  hide(row, aircraft.length < 2);
  rows(row, shown, () => makeSmall(choose), (node, one) => {
    node.dataset.key = keyOf(one);
    node.setAttribute('aria-pressed', String(keyOf(one) === large));
    const world = worldOf(one);
    showScreen(node, one, 'video_a', stage, world);
    put(node.querySelector('.name'), `${shown.indexOf(one) + 1}  ${one.device}${severalGrounds ? ` at ${one.ground}` : ''}`);
    const [word, level] = inShort(one, world);
    put(node.querySelector('.state'), word);
    mark(node, 'level', level);
  });
}

/** A word or two for a small one: the seal, and the height, or what is wrong. */
function inShort(aircraft, world) {
  const wrong = trouble(aircraft, world);
  if (wrong) return [wrong.age === null ? wrong.word : `${wrong.word} ${age(wrong.age)}`, 'lost'];
  if (!aircraft.sealed) return ['not open here', 'bad'];
  const battery = aircraft.telemetry?.battery?.v.percent;
  if (typeof battery === 'number' && battery <= LOW_PERCENT) return [`battery ${number(battery)} %`, 'warn'];
  return aircraft.seal_begins === 'controller' ? ['from controller', 'warn'] : ['sealed', 'good'];
}

function makeSmall(choose) {
  const node = element('button', 'small-screen screen');
  node.type = 'button';
  node.addEventListener('click', () => choose(node.dataset.key));
  const canvas = element('canvas');
  canvas.width = 16;
  canvas.height = 9;
  canvas.dataset.width = SMALL_WIDTH;
  const over = element('span', 'veil');
  over.append(element('span', 'veil-word'), element('span', 'veil-age'), element('span', 'veil-detail'));
  node.append(canvas, over, element('span', 'mark'), element('span', 'name'), element('span', 'state'));
  return node;
}

/** The small canvases that are in sight, by the key of their aircraft. */
export function smallCanvases() {
  const row = by('fleet');
  if (row.hidden || document.body.dataset.full === 'true') return new Map();
  const bounds = row.getBoundingClientRect();
  const inSight = [...row.children].filter((node) => {
    const box = node.getBoundingClientRect();
    return box.right > bounds.left && box.left < bounds.right && box.bottom > 0 && box.top < innerHeight;
  });
  return new Map(inSight.map((node) => [node.dataset.key, node.querySelector('canvas')]));
}

/** Map and picture change places; the map is told by a `resize` of the window. */
export function swapMap() {
  const large = document.body.dataset.large !== 'map';
  document.body.dataset.large = large ? 'map' : 'picture';
  by(large ? 'stage' : 'chart').prepend(by('map'));
  by(large ? 'chart' : 'stage').prepend(by('picture'));
  dispatchEvent(new Event('resize'));
}

export function toggleContrast() {
  const on = document.body.dataset.contrast !== 'high';
  document.body.dataset.contrast = on ? 'high' : 'usual';
  document.querySelector('[data-action=contrast]').setAttribute('aria-pressed', String(on));
}

/** The picture and the seal alone, on the whole screen where the browser lets us. */
export async function toggleFull() {
  if (document.body.dataset.full === 'true') return leaveFull();
  document.body.dataset.full = 'true';
  await document.documentElement.requestFullscreen?.().catch(() => undefined);
  dispatchEvent(new Event('resize'));
}

export async function leaveFull() {
  document.body.dataset.full = 'false';
  if (document.fullscreenElement) await document.exitFullscreen();
  dispatchEvent(new Event('resize'));
}
