// The seal in words, always in sight: whether it is sealed, since when, where it begins, under which order and until when.

import { trouble, VENDOR } from './conditions.js';
import { by, mark, put } from './dom.js';
import { age, clock, countdown, roundAge } from './words.js';

const ENDS_SOON_S = 600;
const DAY_S = 86400;

/** {level, word, detail} of the seal. Levels: good, warn (sealed, and not to be relied on), bad, lost, none. Pure. */
export function sealWords(aircraft, ground, world) {
  const wrong = trouble(aircraft, world);
  if (wrong && aircraft) return { level: 'lost', word: wrong.word, detail: lastKnown(aircraft, wrong) };
  if (wrong) return { level: 'lost', word: wrong.word, detail: wrong.detail };
  if (!aircraft) return { level: 'none', word: 'NO AIRCRAFT', detail: ground?.wrong ?? '' };
  if (!aircraft.sealed) {
    return { level: 'bad', word: 'NOT OPEN HERE', detail: aircraft.seal?.text || ground?.wrong || 'no key of this session is here' };
  }
  const doubts = (aircraft.seal?.text ?? '').split('; ').slice(1); // after what is sealed, and from where
  const late = aircraft.seal_begins === 'controller';
  const word = late ? 'SEALED FROM THE CONTROLLER ON' : 'SEALED';
  return { level: late || doubts.length ? 'warn' : 'good', word, detail: [since(aircraft, world), ...doubts].filter(Boolean).join('; ') };
}

function since(aircraft, world) {
  const parts = [];
  if (aircraft.sealed_since_us) parts.push(`since ${clock(aircraft.sealed_since_us)}`);
  if (typeof aircraft.key_age_s === 'number') parts.push(`key ${roundAge(aircraft.key_age_s + world.since)} old`);
  if (typeof aircraft.next_key_s === 'number') parts.push(`next key in ${roundAge(Math.max(0, aircraft.next_key_s - world.since))}`);
  return parts.join(', ');
}

function lastKnown(aircraft, wrong) {
  const ago = wrong.age === null ? '' : `, last heard ${age(wrong.age)} ago`;
  return `${wrong.detail}${ago}${aircraft.sealed ? '; it was sealed then' : ''}`;
}

/** {word, detail} of where the seal begins. Pure. */
export function beginsWords(aircraft) {
  if (!aircraft) return { word: '–', detail: '' };
  if (!aircraft.seal_begins) return { word: 'not known', detail: 'the aircraft has not said it yet' };
  if (aircraft.seal_begins === 'aircraft') return { word: 'in the aircraft', detail: 'only stations of this order open it' };
  return { word: 'at the controller', detail: `${VENDOR} holds the picture before the seal` };
}

/** {level, title, left, detail} of the order in force. Pure. */
export function orderWords(ground, since) {
  if (typeof ground?.order_left_s !== 'number') return { level: 'none', title: 'Order', left: '–', detail: 'no order is loaded' };
  const left = ground.order_left_s - since;
  const title = `Order ${ground.order}`;
  const next = ground.next_order;
  const ahead = next ? `order ${next.serial} begins ${clock(next.begins_us)}` : 'no next order is loaded';
  const ends = clock(ground.order_ends_us);
  if (left <= 0) return { level: 'bad', title: `${title} has ended`, left: '00:00', detail: `at ${ends}; ${ahead}` };
  const days = left >= 2 * DAY_S ? `${Math.floor(left / DAY_S)} days` : countdown(left);
  const level = left >= ENDS_SOON_S ? 'good' : next ? 'warn' : 'bad';
  return { level, title: `${title} ends in`, left: days, detail: `at ${ends}; ${ahead}` };
}

/** Writes the bar. */
export function showSeal(aircraft, ground, world) {
  const seal = sealWords(aircraft, ground, world);
  mark(by('bar'), 'level', seal.level);
  put(by('seal-word'), seal.word);
  put(by('seal-detail'), seal.detail);
  const begins = beginsWords(aircraft);
  mark(by('begins'), 'level', aircraft?.seal_begins === 'controller' ? 'warn' : 'good');
  put(by('begins-word'), begins.word);
  put(by('begins-detail'), begins.detail);
  put(by('operation-name'), ground?.operation || '–');
  put(by('operation-detail'), [ground?.agency, ground?.class].filter(Boolean).join(' · '));
  const order = orderWords(ground, world.since);
  mark(by('order'), 'level', order.level);
  put(by('order-title'), order.title);
  put(by('order-left'), order.left);
  put(by('order-detail'), order.detail);
}
