// Instruments: the newest value of each kind, greyed with its age when it is old, and never held as if it were new.

import { by, element, hide, mark, put, rows } from './dom.js';
import { age, clock, count, MISSING, number, roundAge } from './words.js';

const SEVERITY = ['EMERGENCY', 'ALERT', 'CRITICAL', 'ERROR', 'WARNING', 'NOTICE', 'INFO', 'DEBUG'];
const LOUD_UP_TO = 4; // WARNING
const SEVERE_UP_TO = 3; // ERROR
export const LOW_PERCENT = 20;
const POINTS = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW'];
const GNSS_FIX = { 0: 'no receiver', 1: 'no fix', 2: '2D fix', 3: '3D fix', 4: 'DGPS', 5: 'RTK float', 6: 'RTK fixed' };

// name on the screen, name in the telemetry, seconds after which it is old, how it is written ([large, unit, small]), when it warns
const INSTRUMENTS = [
  ['Mode', 'mode', 4, (v, all) => [String(v), '', all.armed ? (all.armed.v ? 'armed' : 'disarmed') : '']],
  ['Height', 'position', 3, (v) => [number(v.height_m), 'm', `${number(v.alt_m)} m above sea`]],
  ['Speed', 'ground_speed', 3, (v, all) => [number(v, 1), 'm/s', climbing(all.climb?.v)]],
  ['Heading', 'heading', 3, (v) => [number(v).padStart(3, '0'), '°', POINTS[Math.round(v / 45) % 8]]],
  ['Battery', 'battery', 6, battery, (v) => typeof v.percent === 'number' && v.percent <= LOW_PERCENT],
  ['GNSS', 'gnss', 4, gnss, (v) => !hasFix(v)],
  ['Radio', 'radio', 6, (v) => [number(v.rssi), '', `far ${number(v.remote_rssi)}, noise ${number(v.noise)}`]],
];

function climbing(v) {
  if (typeof v !== 'number') return '';
  const arrow = v > 0.2 ? '↑' : v < -0.2 ? '↓' : '→';
  return `${arrow} ${number(Math.abs(v), 1)} m/s`;
}

function battery(v) {
  const volts = typeof v.volt === 'number' ? `${number(v.volt, 1)} V` : '';
  const amperes = typeof v.ampere === 'number' ? `${number(v.ampere, 1)} A` : '';
  const small = [volts, amperes].filter(Boolean).join(', ');
  if (typeof v.percent === 'number') return [number(v.percent), '%', v.percent <= LOW_PERCENT ? `LOW, ${small}` : small];
  return [number(v.volt, 1), 'V', amperes];
}

function hasFix(v) {
  return typeof v.fix === 'number' ? v.fix >= 3 : /3d|dgps|rtk/i.test(String(v.text ?? v.fix));
}

function gnss(v) {
  const fix = v.text ?? GNSS_FIX[v.fix] ?? String(v.fix);
  const hdop = typeof v.hdop === 'number' ? `, HDOP ${number(v.hdop, 1)}` : '';
  return [number(v.satellites), 'sat', `${fix}${hdop}`];
}

export function showInstruments(aircraft, world) {
  const all = aircraft?.telemetry ?? {};
  rows(by('instruments'), INSTRUMENTS, makeInstrument, (node, [name, key, oldAfter, write, warns]) => {
    const value = all[key];
    const [large, unit, small] = value ? write(value.v, all) : [MISSING, '', 'not sent'];
    const seconds = value ? value.age_s + world.since : null;
    const old = value && seconds > oldAfter;
    put(node.children[0], name);
    put(node.children[1].children[0], large);
    put(node.children[1].children[1], unit);
    put(node.children[2], old ? `${age(seconds)} old` : small);
    mark(node, 'state', !value ? 'missing' : old ? 'old' : warns?.(value.v) ? 'warn' : 'live');
  });
}

function makeInstrument() {
  const node = element('div', 'instrument');
  const reading = element('p', 'reading');
  reading.append(element('b'), element('span', 'unit'));
  node.append(element('h2'), reading, element('p', 'small'));
  return node;
}

/** Losses told apart: before the seal (serial line), on the air (radio), after it (this browser). */
export function showLosses(aircraft, dropped, recent) {
  const link = aircraft?.link;
  const radio = typeof link?.loss_percent === 'number' ? `${number(link.loss_percent, 1)} % now` : '';
  const lines = [
    ['by the serial line', frames(link?.serial_lost, 'frame'), ''],
    ['by the radio', frames(link?.radio_lost, 'packet'), radio],
    ['pictures damaged', `${recent.damaged} of ${recent.pictures}`, 'in 10 s'],
    ['by this browser', count(dropped, 'picture'), ''],
  ];
  rows(by('losses'), lines, makeLoss, (node, [where, what, more]) => {
    put(node.children[0], where);
    put(node.children[1], more ? `${what}, ${more}` : what);
  });
}

function frames(n, noun) {
  return typeof n === 'number' ? count(n, noun) : 'not known';
}

function makeLoss() {
  const node = element('div');
  node.append(element('dt'), element('dd'));
  return node;
}

export function showRecording(aircraft, ground) {
  const aboard = recordingLine('aboard', aircraft?.recording);
  const here = ground?.recording ? recordingLine('at this station', ground.recording) : '';
  put(by('recording'), [aboard, here].filter(Boolean).join('; '));
  mark(by('recording'), 'wrong', Boolean(aircraft?.recording?.reason));
}

function recordingLine(where, recording) {
  if (!recording) return `${where}: no recorder is heard`;
  if (recording.reason) return `${where}: NOT RECORDED, ${recording.reason}`;
  const what = recording.groups?.length ? recording.groups.join(', ') : 'yes';
  const room = typeof recording.room_s === 'number' ? `, room for ${roundAge(recording.room_s)}` : '';
  return `${where}: ${what}${room}`;
}

/** Texts of the aircraft, the newest first, with their severity as a word. */
export function showTexts(aircraft) {
  const texts = [...(aircraft?.texts ?? [])].reverse();
  rows(by('texts'), texts, makeText, (item, text) => {
    put(item.children[0], clock(text.at_us, true));
    put(item.children[1], SEVERITY[text.severity] ?? `SEVERITY ${text.severity}`);
    put(item.children[2], text.text);
    mark(item, 'loud', text.severity <= LOUD_UP_TO);
    mark(item, 'severe', text.severity <= SEVERE_UP_TO);
  });
  hide(by('texts'), texts.length === 0);
}

function makeText() {
  const item = element('li');
  item.append(element('time'), element('b'), element('span'));
  return item;
}
