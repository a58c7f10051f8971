// Who can read this now, who may command and did last, and what was refused.

import { isClosed, lastCommand, refusals, trouble } from './conditions.js';
import { by, element, mark, put, rows } from './dom.js';
import { list } from './words.js';

const READS = { telemetry: 'telemetry', video: 'video', command: 'commands' };

export function showPeople(aircraft, ground, world) {
  const readers = isClosed(aircraft) ? [] : (ground?.readers ?? []);
  const none = isClosed(aircraft) ? 'not known here: its order is another one' : 'no one: no order is in force';
  const shown = readers.length ? [...readers] : [{ name: none, roles: [] }];
  if (aircraft?.seal_begins === 'controller') shown.push({ name: 'its vendor', roles: ['the picture, before the seal'] });
  put(by('readers-title'), trouble(aircraft, world) ? 'Could read this when it was last heard' : 'Can read this now');
  rows(by('readers'), shown, makeReader, (item, reader) => {
    put(item.children[0], reader.name);
    put(item.children[1], reader.roles.map((role) => READS[role] ?? role).join(', '));
    mark(item, 'self', reader.name === ground?.name);
  });
  const may = aircraft?.commander?.may ?? [];
  const who = may.length ? list(may) : 'no one';
  put(by('commander'), aircraft ? `${who} (${lastCommand(aircraft.commander, world.since)})` : '–');
  const refused = [
    ['at this station: ', refusals(ground?.refused)],
    ['by the aircraft: ', refusals(aircraft?.commander?.refused)],
  ].filter(([, what]) => what);
  put(by('refused'), refused.length ? refused.map((one) => one.join('')).join('; ') : 'nothing');
  mark(by('refused'), 'some', refused.length > 0);
}

function makeReader() {
  const item = element('li');
  item.append(element('b'), element('span', 'quiet'));
  return item;
}
