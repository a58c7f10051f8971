// What the map shows, made from the state: no Leaflet and no page here. A value that is missing is left out, never guessed.

import { isPosition } from "./coordinates.js";
import { footprint, metresBetween } from "./footprint.js";

const STALE_AFTER_S = 3; // of an aircraft's own values, which come several times a second
const TRAFFIC_STALE_AFTER_S = 15; // of other aircraft, which are heard once in some seconds
const LEAST_HEIGHT_M = 2; // below it a footprint is made of the height's error

/** One aircraft's key: two grounds of this computer may each have an aircraft of one name. */
export function keyOf({ ground, device }) {
  return `${ground}\n${device}`;
}

/** A value of the telemetry with its age now, or null; `since` is the seconds since the state came. */
export function value(aircraft, name, since) {
  const found = aircraft?.telemetry?.[name];
  if (!found || found.v === null || found.v === undefined) return null;
  const age = found.age_s + since;
  return { v: found.v, age, stale: age > STALE_AFTER_S };
}

export function positionOf(aircraft, since) {
  const found = value(aircraft, "position", since);
  return found && isPosition(found.v.lat, found.v.lon) ? { ...found.v, age: found.age, stale: found.stale } : null;
}

/** "12 s", "4 min", "2 h". */
export function ageWords(age) {
  if (age < 60) return `${Math.round(age)} s`;
  return age < 3600 ? `${Math.floor(age / 60)} min` : `${Math.floor(age / 3600)} h`;
}

/** "640 m, 045°", the distance and, if there is one, the direction from true north. */
export function distanceWords(from, to) {
  const [north, east] = metresBetween(from.lat, from.lon, to.lat, to.lon);
  const metres = Math.hypot(north, east);
  if (metres < 1) return "0 m";
  const bearing = Math.round((Math.atan2(east, north) * 180) / Math.PI + 360) % 360;
  const distance = metres < 1000 ? `${Math.round(metres)} m` : `${(metres / 1000).toFixed(1)} km`;
  return `${distance}, ${String(bearing).padStart(3, "0")}°`;
}

/**
 * What the aircraft's camera sees: {outline, centre, cut} of footprint.js, with `said`: the aircraft itself says where the
 * middle of the picture is on the ground, and may know its relief. Null where that or the direction is unknown or old.
 */
export function outlookOf(aircraft, since) {
  const position = positionOf(aircraft, since);
  if (!position || position.stale) return null;
  const camera = value(aircraft, "camera", since);
  const seen = footprintOf(aircraft, position, camera, since);
  const said = camera && !camera.stale && isPosition(camera.v.lat, camera.v.lon);
  if (said) return { outline: null, cut: false, ...seen, centre: [camera.v.lat, camera.v.lon], said };
  return seen && { ...seen, said: false };
}

function footprintOf(aircraft, position, camera, since) {
  const [gimbal, heading] = [value(aircraft, "gimbal", since), value(aircraft, "heading", since)];
  if (!gimbal || gimbal.stale || !(position.height_m >= LEAST_HEIGHT_M)) return null;
  if (!gimbal.v.yaw_is_absolute && (!heading || heading.stale)) return null;
  const yaw = gimbal.v.yaw + (gimbal.v.yaw_is_absolute ? 0 : heading.v);
  const { hfov = null, vfov = null } = camera?.v ?? {}; // a field of view does not get old
  const { pitch, roll } = gimbal.v;
  return footprint({ lat: position.lat, lon: position.lon, heightM: position.height_m, pitch, yaw, roll, hfov, vfov });
}

/** The symbols of the map: see `Symbols.show`. */
export function symbolsOf(main, all, since) {
  const isMain = (aircraft) => Boolean(main) && keyOf(aircraft) === keyOf(main);
  return [...all.flatMap((aircraft) => ownSymbols(aircraft, isMain(aircraft), since)), ...trafficSymbols(all, since)];
}

function ownSymbols(aircraft, main, since) {
  const key = keyOf(aircraft);
  const found = [];
  const position = positionOf(aircraft, since);
  const heading = value(aircraft, "heading", since);
  if (position) {
    const detail = position.stale ? `${ageWords(position.age)} old` : heightWords(position.height_m);
    const turned = heading && !heading.stale ? heading.v : null;
    const shown = { ...position, heading: turned, name: aircraft.device, detail, main };
    found.push({ key: `${key}\naircraft`, kind: "aircraft", ...shown });
  }
  for (const kind of main ? ["home", "station"] : []) {
    const place = aircraft[kind];
    if (!place || !isPosition(place.lat, place.lon)) continue;
    found.push({ key: `${key}\n${kind}`, kind, lat: place.lat, lon: place.lon, name: kind });
  }
  return found;
}

/** ADS-B and Remote ID as each aircraft receives them; of what two of them receive, the newer. */
function trafficSymbols(all, since) {
  const newest = new Map();
  for (const item of all.flatMap(({ traffic }) => traffic ?? [])) {
    const key = `${item.kind}\n${item.id}`;
    if (isPosition(item.lat, item.lon) && !(newest.get(key)?.age_s <= item.age_s)) newest.set(key, item);
  }
  return [...newest].map(([key, { kind, id, lat, lon, alt_m: altitude, heading, age_s: heard }]) => {
    const age = heard + since;
    const detail = [altitudeWords(altitude), age > STALE_AFTER_S ? `${ageWords(age)} old` : ""].filter(Boolean).join(", ");
    return { key, kind, lat, lon, heading: heading ?? null, name: id, detail, stale: age > TRAFFIC_STALE_AFTER_S };
  });
}

/** Where the camera looks, and the point that the operator set. */
export function pointSymbols(outlook, picked) {
  const found = picked ? [{ key: "point", kind: "point", ...picked }] : [];
  if (!outlook?.centre) return found;
  const [lat, lon] = outlook.centre;
  return [...found, { key: "camera", kind: "camera", lat, lon }];
}

function heightWords(metres) {
  return Number.isFinite(metres) ? `${Math.round(metres)} m above home` : "";
}

function altitudeWords(metres) {
  return Number.isFinite(metres) ? `at ${Math.round(metres)} m` : "";
}

/** The rows below the map: see `PositionBar.show`. */
export function positionsOf(main, outlook, picked, since) {
  const position = positionOf(main, since);
  const rows = [];
  if (position) rows.push({ name: main.device, ...position, note: position.stale ? `${ageWords(position.age)} old` : "" });
  const from = (place) => (position && !position.stale ? `${distanceWords(position, place)} from the aircraft` : "");
  if (outlook?.centre) {
    const [lat, lon] = outlook.centre;
    const note = from({ lat, lon }) + (outlook.said ? "" : ", if the ground is flat");
    rows.push({ name: "camera looks at", lat, lon, note });
  }
  if (picked) rows.push({ name: "point", ...picked, note: from(picked), removable: true });
  return rows;
}
