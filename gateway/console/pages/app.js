// The console's page: takes the messages of live.js and shows them. It sends two messages, `watch` and `again`, and no other.

import { trouble } from './conditions.js';
import { by, element, hide, mark, put } from './dom.js';
import { KEYS, listen } from './keys.js';
import { leaveFull, showFleet, smallCanvases, swapMap, toggleContrast, toggleFull } from './layout.js';
import { Live } from './live.js';
import { showPeople } from './people.js';
import { showSeal } from './seal.js';
import { snapshot } from './snapshot.js';
import { keyOf, LANES, laneName, showScreen, Stage } from './stage.js';
import { showInstruments, showLosses, showRecording, showTexts } from './telemetry.js';

const TICK_MS = 250;
const NOTE_FOR_MS = 6000;

let state = { grounds: [], aircraft: [], browser_dropped: 0 };
let stateAt = performance.now();
let gone = 'connecting'; // why nothing comes
let large = null; // key of the aircraft that is large
let last = null; // {aircraft, ground, at}: what was last said of it, for when nothing more is
let lane = LANES[0]; // its lane that is large
let map = null;
let hello = null;
let waitingTracks = []; // that came before the map was made

const live = new Live({
  hello: (message) => begin(message),
  state: (message) => take(message),
  track: (message) => (map ? map.track(message) : waitingTracks.push(message)),
  picture: (picture) => stage.take(picture),
  gone: (why) => {
    gone = why;
    stage.afresh();
    show();
  },
  back: () => {
    gone = null;
  },
});
const stage = new Stage((message) => live.send(message));

/** The map is large and comes after the first picture. */
async function begin(message) {
  if (hello && hello.version !== message.version) location.reload(); // the console is another, and its pages with it
  hello = message;
  put(by('version'), `Zegel ${message.version}`);
  stage.afresh();
  const { MapView } = await import('./map.js');
  if (map === null) {
    map = new MapView(by('map'), message);
    waitingTracks.forEach((track) => map.track(track));
    waitingTracks = [];
  }
}

function take(message) {
  state = message;
  stateAt = performance.now();
  remember();
  stage.streams(state.aircraft);
  show();
  map?.show(chosen(), state.aircraft);
}

/** The first aircraft is large until another is chosen. It stays so when its ground says no more of it: none takes its place. */
function remember() {
  large ??= state.aircraft.length ? keyOf(state.aircraft[0]) : null;
  const aircraft = state.aircraft.find((one) => keyOf(one) === large);
  if (aircraft) last = { aircraft, ground: groundOf(aircraft), at: stateAt };
}

function chosen() {
  return last?.aircraft ?? null;
}

function groundOf(aircraft) {
  if (!aircraft) return state.grounds[0] ?? null;
  return state.grounds.find((one) => one.name === aircraft.ground) ?? (aircraft === last?.aircraft ? last.ground : null);
}

/** What conditions.js calls the world, for one aircraft. */
function worldOf(aircraft) {
  const ground = state.grounds.find((one) => one.name === aircraft?.ground);
  const vanished = aircraft !== null && !state.aircraft.includes(aircraft);
  const at = vanished ? last.at : stateAt;
  return {
    gone,
    noGround: state.grounds.length === 0,
    groundGone: aircraft !== null && (!ground || ground.alive === false),
    vanished,
    since: (performance.now() - at) / 1000,
  };
}

function otherLane(aircraft) {
  const other = LANES.find((one) => one !== lane);
  return aircraft?.streams?.some((one) => one.lane === other) ? other : null;
}

function show() {
  const aircraft = chosen();
  const ground = groundOf(aircraft);
  const world = worldOf(aircraft);
  showSeal(aircraft, ground, world);
  showWarnings(world);
  showPictures(aircraft, world);
  showPeople(aircraft, ground, world);
  showInstruments(aircraft, world);
  showRecording(aircraft, ground);
  showTexts(aircraft);
  mark(document.body, 'live', !trouble(aircraft, world));
  document.title = `${by('seal-word').textContent}${aircraft ? ` · ${aircraft.device}` : ''} · Zegel`;
}

function showWarnings(world) {
  const said = [...new Set(state.grounds.flatMap((one) => [one.wrong, ...(one.alarms ?? [])]))].filter(Boolean);
  const alarms = world.gone ? [`The console is gone: ${world.gone}. What you see is old.`] : said;
  put(by('warning'), alarms.join('  ·  ') || (world.noGround ? 'start zegel ground on this computer' : 'the ground has no alarms'));
  mark(by('warning'), 'some', alarms.length > 0);
}

function showPictures(aircraft, world) {
  const other = document.body.dataset.large === 'map' ? null : otherLane(aircraft);
  const player = showScreen(by('picture'), aircraft, lane, stage, world);
  const isLive = by('picture').dataset.state === 'live' ? '  live' : '';
  put(by('picture').querySelector('.name'), laneName(aircraft, lane, player, state.grounds.length > 1) + isLive);
  hide(by('inset'), other === null);
  if (other) {
    const small = showScreen(by('inset'), aircraft, other, stage, world);
    put(by('inset').querySelector('.name'), laneName(aircraft, other, small, false));
  }
  showLosses(aircraft, state.browser_dropped, player?.recent() ?? { pictures: 0, damaged: 0 });
  showFleet(state.aircraft, aircraft ? keyOf(aircraft) : null, stage, worldOf, choose);
  if (document.hidden) stage.rest();
  else stage.watch(inSight(aircraft, other));
}

/** [aircraft, lane, canvas] of every screen that somebody sees. */
function inSight(aircraft, other) {
  const screens = [];
  if (aircraft) screens.push([aircraft, lane, by('picture').querySelector('canvas')]);
  if (other) screens.push([aircraft, other, by('inset').querySelector('canvas')]);
  const small = smallCanvases();
  for (const one of state.aircraft) if (small.has(keyOf(one))) screens.push([one, LANES[0], small.get(keyOf(one))]);
  return screens;
}

function choose(key) {
  large = key;
  remember();
  lane = LANES[0];
  show();
}

let noteTimer = 0;
function note(text) {
  put(by('note'), text);
  clearTimeout(noteTimer);
  noteTimer = setTimeout(() => put(by('note'), ''), NOTE_FOR_MS);
}

async function takeSnapshot() {
  const aircraft = chosen();
  if (by('picture').dataset.state !== 'live') return 'no snapshot: no live picture is shown';
  const name = await snapshot(by('picture').querySelector('canvas'), aircraft, { lane, ground: groundOf(aircraft) });
  return `snapshot ${name} is in your downloads`;
}

const actions = {
  aircraft: (at) => state.aircraft[at] && choose(keyOf(state.aircraft[at])),
  lane: () => {
    const other = otherLane(chosen());
    if (!other) return note('this aircraft has no other camera');
    lane = other;
    return show();
  },
  map: swapMap,
  full: toggleFull,
  contrast: toggleContrast,
  help: () => (by('help').open ? by('help').close() : by('help').showModal()),
  snapshot: async () => note(await takeSnapshot()),
  logout: async () => {
    live.end();
    await fetch('/logout', { method: 'POST' });
    location.reload();
  },
};

function fillHelp() {
  for (const [key, what] of KEYS) {
    const line = element('div');
    line.append(element('dt', '', key), element('dd', '', what));
    by('help-keys').append(line);
  }
  put(by('zone'), Intl.DateTimeFormat().resolvedOptions().timeZone);
}

fillHelp();
listen(actions);
if (matchMedia('(prefers-contrast: more)').matches) toggleContrast(); // as the person's system has it; c leads back
document.addEventListener('fullscreenchange', () => document.fullscreenElement || leaveFull());
document.addEventListener('visibilitychange', show);
setInterval(show, TICK_MS);

// For tests and measurements alone; nothing of the page reads it.
Object.defineProperty(window, 'zegel', {
  value: Object.freeze({
    streams: () => {
      const counts = ([key, one]) => [key, { ...one.counts, size: one.size, codec: one.codec }];
      return Object.fromEntries([...stage.players].map(counts));
    },
    latencies: (key) => [...(stage.players.get(key)?.latencies ?? [])],
    state: () => structuredClone(state),
  }),
});
