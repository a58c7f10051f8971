// What the camera sees of the ground, if the ground is flat and lies at the height of home. Geometry only.

const EARTH_RADIUS_M = 6371008.8;
const CUT_AT_M = 1000; // near the horizon a picture's edge is kilometres away, and flat ground is no longer a fair model
const POINTS_PER_EDGE = 8; // where an edge is cut it is an arc; without a cut its corners are enough

const radians = (degrees) => (degrees * Math.PI) / 180;

/** The position `north` and `east` metres away: [lat, lon], on a sphere, for distances of some kilometres. */
export function offset(lat, lon, north, east) {
  const degrees = (metres) => (metres / EARTH_RADIUS_M) * (180 / Math.PI);
  return [lat + degrees(north), lon + degrees(east) / Math.cos(radians(lat))];
}

/** Metres from one position to another: [north, east]; the inverse of `offset`. */
export function metresBetween(lat, lon, toLat, toLon) {
  return [radians(toLat - lat) * EARTH_RADIUS_M, radians(toLon - lon) * EARTH_RADIUS_M * Math.cos(radians(lat))];
}

/**
 * @param camera {lat, lon, heightM above the ground, pitch, yaw (from true north), roll, hfov, vfov}, angles in degrees; a
 *   field of view may be null
 * @returns {outline: [[lat, lon]...] or null without a field of view, centre: [lat, lon] where the middle of the picture
 *   meets the ground or null, cut: whether a part of the outline is a limit of CUT_AT_M metres and not what is seen}
 */
export function footprint(camera) {
  const meets = (u, w) => onGround(direction(camera, u, w), camera.heightM);
  const place = ({ north, east }) => offset(camera.lat, camera.lon, north, east);
  const centre = meets(0, 0);
  const found = { outline: null, centre: centre.cut ? null : place(centre), cut: false };
  if (camera.hfov === null || camera.vfov === null) return found;
  const [u, w] = [Math.tan(radians(camera.hfov) / 2), Math.tan(radians(camera.vfov) / 2)];
  const border = edge([-u, -w], [u, -w]).concat(edge([u, -w], [u, w]), edge([u, w], [-u, w]), edge([-u, w], [-u, -w]));
  const points = border.map(([right, down]) => meets(right, down));
  found.cut = points.some((point) => point.cut);
  if (points.every((point) => point.cut)) found.outline = sector(camera, points, place);
  else found.outline = (found.cut ? points : points.filter((_, i) => i % POINTS_PER_EDGE === 0)).map(place);
  return found;
}

function edge(from, to) {
  const between = (part) => from.map((value, axis) => value + (to[axis] - value) * part);
  return Array.from({ length: POINTS_PER_EDGE }, (_, i) => between(i / POINTS_PER_EDGE));
}

/** A ray of the picture as [north, east, down]; `right` and `down` are tangents of the angles to the middle. */
function direction({ pitch, yaw, roll }, right, down) {
  const turns = [pitch, yaw, roll].map(radians);
  const [[sp, cp], [sy, cy], [sr, cr]] = turns.map((angle) => [Math.sin(angle), Math.cos(angle)]);
  const [y, z] = [right * cr - down * sr, right * sr + down * cr]; // roll, then pitch, then yaw
  const [x, below] = [cp + z * sp, z * cp - sp];
  return [x * cy - y * sy, x * sy + y * cy, below];
}

function onGround([north, east, down], height) {
  const across = Math.hypot(north, east);
  const reach = down > 0 ? (height / down) * across : Infinity;
  const cut = reach > CUT_AT_M;
  const scale = across === 0 ? 0 : (cut ? CUT_AT_M : reach) / across;
  return { north: north * scale, east: east * scale, cut };
}

/** The whole picture is above the horizon or too far away: only the directions to its left and right edge are known. */
function sector(camera, points, place) {
  if (Math.abs(camera.pitch) > 60) return null; // it looks up, which has no direction on a map
  return [[camera.lat, camera.lon], ...points.slice(0, POINTS_PER_EDGE + 1).map(place)];
}
