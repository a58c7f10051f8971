// What is true now of an aircraft, its link and its pictures, in words. Pure: it gets ages and gives sentences.
//
// `world` is {gone, noGround, groundGone, vanished, since}: why no message of the console comes (or null), whether no ground
// runs, whether this one has ended, whether it no longer reports the aircraft, and the seconds since the last `state` that did,
// by which every age in it has grown.

import { age, list } from './words.js';

export const VENDOR = 'the vendor of this aircraft';
export const LINK_LOST_AFTER_S = 3;
export const PICTURE_OLD_AFTER_S = 1.5;
const ORDINARY = ['not_granted']; // what is meant for other stations comes by the same link

/** Seconds since the link brought anything of this aircraft, or null if it never did. */
export function linkAge(aircraft, since) {
  const ages = [aircraft.beat_age_s, aircraft.link?.age_s].filter((one) => typeof one === 'number');
  return ages.length ? Math.min(...ages) + since : null;
}

/** {word, detail} of what is wrong between the aircraft and this page, the nearest first; null if nothing is. */
export function trouble(aircraft, world) {
  if (world.gone) return { word: 'CONSOLE GONE', detail: world.gone, age: world.since };
  if (!aircraft) return world.noGround ? { word: 'NO GROUND', detail: 'no zegel ground runs on this computer', age: null } : null;
  const silent = linkAge(aircraft, world.since);
  if (world.groundGone) return { word: 'GROUND GONE', detail: 'zegel ground is not running', age: silent };
  if (world.vanished) return { word: 'NOT REPORTED', detail: 'its ground says nothing of this aircraft', age: silent };
  if (aircraft.state === 'closed') return { word: 'ENDED', detail: 'the aircraft ended its session', age: silent };
  if (isClosed(aircraft)) return { word: 'CLOSED TO THIS STATION', detail: 'the order that it flies under does not list it', age: silent };
  if (silent === null) return { word: 'NOT HEARD', detail: 'nothing has come from this aircraft', age: null };
  if (silent > LINK_LOST_AFTER_S || aircraft.state === 'silent') {
    return { word: 'LINK LOST', detail: 'nothing comes from this aircraft', age: silent };
  }
  return null;
}

/** Whether it flies under an order that does not list this station: it was revoked, or was never in it. */
export function isClosed(aircraft) {
  return aircraft?.state === 'unlisted';
}

/** {word, detail, age} to lay over a picture; null while it is live. `pictureAge`: seconds, null if none is shown. */
export function veil(aircraft, stream, player, pictureAge, world) {
  const wrong = trouble(aircraft, world);
  if (wrong) return { ...wrong, age: isClosed(aircraft) ? null : pictureAge };
  if (!aircraft) return { word: 'NO AIRCRAFT', detail: 'none is heard by a ground of this computer', age: null };
  if (!stream) return { word: 'NO VIDEO', detail: 'no picture has come on this lane', age: null };
  if (stream.unrecognised) return { word: 'NOT KNOWN', detail: 'what comes is neither H.264 nor H.265 in RTP, nor MPEG-TS', age: null };
  const cannot = undecodable(stream, player);
  if (cannot) return { ...cannot, age: null };
  if (pictureAge === null) return { word: 'WAITING', detail: 'for a key picture', age: null };
  if (pictureAge <= PICTURE_OLD_AFTER_S) return null;
  const comes = typeof stream.age_s === 'number' && stream.age_s + world.since <= PICTURE_OLD_AFTER_S;
  const why = comes ? 'pictures come, and this browser is too slow' : 'the link is up, and no picture comes';
  return { word: 'NO PICTURE', detail: why, age: pictureAge };
}

function undecodable(stream, player) {
  const play = stream.player ? ` Play it with: ${stream.player}` : '';
  if (typeof VideoDecoder === 'undefined') {
    return { word: 'NO DECODER', detail: `This browser has no WebCodecs (Chromium 94, Firefox 130 and newer have).${play}` };
  }
  if (player?.refused) return { word: 'NO KEY PICTURE', detail: `This browser cannot begin with what this camera sends.${play}` };
  if (!player?.unsupported) return null;
  const name = { h265: 'H.265', h264: 'H.264' }[stream.codec] ?? stream.codec;
  return { word: name, detail: `This video is ${name}, which this browser cannot decode.${play}` };
}

/** "DAMAGED: 14 packets missing in 12 of 300 pictures", or nothing. */
export function damage(recent) {
  if (!recent.damaged) return '';
  const packets = `${recent.lost} packet${recent.lost === 1 ? '' : 's'} missing`;
  return `DAMAGED  ${packets} in ${recent.damaged} of ${recent.pictures} pictures`;
}

/** "refused: 3 not fresh, 2 observer" as words, or that nothing was. */
export function refusals(counts) {
  const some = Object.entries(counts ?? {}).filter(([why, n]) => n > 0 && !ORDINARY.includes(why));
  return some.length ? list(some.map(([why, n]) => `${n} ${why.replaceAll('_', ' ')}`)) : '';
}

/** Who commanded last, and how long ago. */
export function lastCommand(commander, since) {
  if (!commander?.last) return 'no command has come yet';
  const ago = typeof commander.last_age_s === 'number' ? `, ${age(commander.last_age_s + since)} ago` : '';
  return `last: ${commander.last}${ago}`;
}
