// How ages, times and numbers are written. Pure: no document, no clock of its own.

export const MISSING = '–';

/** An age as people say it: "0.4 s", "12 s", "3 min", "2 h 05 min". */
export function age(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return MISSING;
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(1)} s`;
  return s < 100 ? `${Math.floor(s)} s` : minutesOf(s);
}

function minutesOf(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}

/** The same in whole minutes, for sentences that should not flicker: "under a minute", "3 min", "2 h 05 min". */
export function roundAge(seconds) {
  return seconds < 60 ? 'under a minute' : minutesOf(seconds);
}

/** A countdown: "5:12:08", "09:59", never below zero. */
export function countdown(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

/** Unix microseconds as the hour and minute of this computer's clock; with the day if it is another one. */
export function clock(us, withSeconds = false) {
  const at = new Date(us / 1000);
  const two = (n) => String(n).padStart(2, '0');
  const time = `${two(at.getHours())}:${two(at.getMinutes())}${withSeconds ? `:${two(at.getSeconds())}` : ''}`;
  const today = new Date().toDateString() === at.toDateString();
  return today ? time : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** A number with so many decimals, or the sign for a missing one. */
export function number(value, decimals = 0) {
  return typeof value === 'number' && Number.isFinite(value) ? value.toFixed(decimals) : MISSING;
}

/** "one", "one and two", "one, two and three". */
export function list(names) {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}

/** "1 packet", "3 packets". */
export function count(n, noun) {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
