// A position in the notations that people exchange: WGS 84, RD New (EPSG:28992) and MGRS. Pure functions, and the button
// that copies what they wrote. Latitudes and longitudes are degrees of WGS 84.

const radians = (degrees) => (degrees * Math.PI) / 180;
const GRS80 = { a: 6378137, f: 1 / 298.257222101 };
const BESSEL = { a: 6377397.155, f: 1 / 299.1528128 };

export const OUTSIDE_OF_RD = "outside of RD";
export const OUTSIDE_OF_MGRS = "outside of MGRS";

export function isPosition(lat, lon) {
  return Number.isFinite(lat) && Number.isFinite(lon) && Math.abs(lat) <= 90 && Math.abs(lon) <= 180;
}

/** Six decimals, which is 0.1 m: "52.155173, 5.387204". */
export function decimalDegrees(lat, lon) {
  return `${lat.toFixed(6)}, ${lon.toFixed(6)}`;
}

/** Two decimals of a second, which is 0.3 m: 52°09'18.62" N 5°23'13.93" E. */
export function degreesMinutesSeconds(lat, lon) {
  const written = (value, positive, negative) => {
    const hundredths = Math.round(Math.abs(value) * 360000); // rounded once, so that no 60 appears
    const degrees = Math.floor(hundredths / 360000);
    const minutes = Math.floor((hundredths % 360000) / 6000);
    const seconds = (hundredths % 6000) / 100;
    const pair = (number, text) => text.padStart(number, "0");
    return `${degrees}°${pair(2, String(minutes))}'${pair(5, seconds.toFixed(2))}" ${value < 0 ? negative : positive}`;
  };
  return `${written(lat, "N", "S")} ${written(lon, "E", "W")}`;
}

// RDNAPTRANS2018 (NSGI), variant 1, without its grid of corrections: a similarity transformation from ETRS89 to the Bessel
// ellipsoid at a fixed height, then the double projection. The corrections that are left out are at most 0.25 m. A receiver's
// WGS 84 is taken as ETRS89; the two differ by 0.75 m in 2019 and by 0.024 m more each year.
const RD = {
  latitudes: [50.75, 53.7], longitudes: [3.2, 7.22], // EPSG's area of use of 28992
  height: 43, // of every point above the ellipsoid: RD does not depend on a height
  translation: [-565.7346, -50.4058, -465.2895],
  rotation: [-0.395023, 0.330776, -1.876073].map((seconds) => radians(seconds / 3600)),
  scale: 1 - 4.07242e-6,
  lat: radians(52 + 9 / 60 + 22.178 / 3600), lon: radians(5 + 23 / 60 + 15.5 / 3600), // Amersfoort, on Bessel
  k: 0.9999079, x: 155000, y: 463000,
};

/** RD New in metres as {x, y}, within 0.25 m of RDNAPTRANS2018, or null outside of EPSG's area of use. */
export function rdNew(lat, lon) {
  const inside = (value, [low, high]) => value >= low && value <= high;
  if (!inside(lat, RD.latitudes) || !inside(lon, RD.longitudes)) return null;
  const [latBessel, lonBessel] = geographic(similarity(geocentric(radians(lat), radians(lon), RD.height, GRS80)), BESSEL);
  return rdProjection(latBessel, lonBessel);
}

function geocentric(lat, lon, height, { a, f }) {
  const e2 = f * (2 - f);
  const normal = a / Math.sqrt(1 - e2 * Math.sin(lat) ** 2);
  const across = (normal + height) * Math.cos(lat);
  return [across * Math.cos(lon), across * Math.sin(lon), (normal * (1 - e2) + height) * Math.sin(lat)];
}

function similarity([x, y, z]) {
  const [[sa, ca], [sb, cb], [sc, cc]] = RD.rotation.map((angle) => [Math.sin(angle), Math.cos(angle)]);
  const rotated = [
    cc * cb * x + (cc * sb * sa + sc * ca) * y + (sc * sa - cc * sb * ca) * z,
    -sc * cb * x + (cc * ca - sc * sb * sa) * y + (sc * sb * ca + cc * sa) * z,
    sb * x - cb * sa * y + cb * ca * z,
  ];
  return rotated.map((value, axis) => RD.scale * value + RD.translation[axis]);
}

function geographic([x, y, z], { a, f }) {
  const e2 = f * (2 - f);
  const across = Math.hypot(x, y);
  let lat = Math.atan2(z, across * (1 - e2));
  for (let round = 0; round < 4; round += 1) { // converges to below a micrometre near the surface
    const normal = a / Math.sqrt(1 - e2 * Math.sin(lat) ** 2);
    lat = Math.atan2(z + e2 * normal * Math.sin(lat), across);
  }
  return [lat, Math.atan2(y, x)];
}

function rdProjection(lat, lon) { // Gauss' conformal sphere, then the oblique stereographic projection
  const e2 = BESSEL.f * (2 - BESSEL.f);
  const e = Math.sqrt(e2);
  const w = 1 - e2 * Math.sin(RD.lat) ** 2;
  const [normal, meridian] = [BESSEL.a / Math.sqrt(w), (BESSEL.a * (1 - e2)) / w ** 1.5];
  const n = Math.sqrt(1 + (e2 * Math.cos(RD.lat) ** 4) / (1 - e2));
  const isometric = (q) => Math.asinh(Math.tan(q)) - e * Math.atanh(e * Math.sin(q));
  const origin = Math.atan(Math.sqrt(meridian / normal) * Math.tan(RD.lat));
  const offset = Math.asinh(Math.tan(origin)) - n * isometric(RD.lat);
  const sphere = Math.atan(Math.sinh(n * isometric(lat) + offset));
  const turn = n * (lon - RD.lon);
  const cosine = Math.cos(sphere) * Math.cos(turn);
  const apart = Math.sin(origin) * Math.sin(sphere) + Math.cos(origin) * cosine; // the cosine of the angle to Amersfoort
  const size = (2 * RD.k * Math.sqrt(normal * meridian)) / (1 + apart);
  return {
    x: RD.x + size * Math.cos(sphere) * Math.sin(turn),
    y: RD.y + size * (Math.sin(sphere) * Math.cos(origin) - Math.sin(origin) * cosine),
  };
}

/** Whole metres: "155000, 463000", or a sentence where RD is not defined. */
export function rdText(lat, lon) {
  const point = rdNew(lat, lon);
  return point ? `${Math.round(point.x)}, ${Math.round(point.y)}` : OUTSIDE_OF_RD;
}

/** MGRS to a metre, "31UDQ 48251 11932" (NGA.STND.0037): the south-west corner of the square that holds the position. */
export function mgrs(lat, lon) {
  if (lat < -80 || lat > 84) return OUTSIDE_OF_MGRS; // the poles have another projection, and no users of this page
  const zone = utmZone(lat, lon);
  const { easting, northing } = utm(lat, lon, zone);
  const band = "CDEFGHJKLMNPQRSTUVWXX"[Math.floor(lat / 8) + 10];
  const column = ["ABCDEFGH", "JKLMNPQR", "STUVWXYZ"][(zone - 1) % 3][Math.floor(easting / 1e5) - 1];
  const row = "ABCDEFGHJKLMNPQRSTUV"[(Math.floor(northing / 1e5) + (zone % 2 ? 0 : 5)) % 20];
  const digits = (metres) => String(Math.floor(metres % 1e5)).padStart(5, "0");
  return `${zone}${band}${column}${row} ${digits(easting)} ${digits(northing)}`;
}

function utmZone(lat, lon) {
  if (lat >= 56 && lat < 64 && lon >= 3 && lon < 12) return 32; // south-west Norway
  if (lat >= 72 && lon >= 0 && lon < 42) { // Svalbard
    return [31, 33, 35, 37][[9, 21, 33, 42].findIndex((east) => lon < east)];
  }
  return Math.min(60, Math.floor((lon + 180) / 6) + 1);
}

/** Krüger's series to the third order in n (Karney, "Transverse Mercator with an accuracy of a few nanometers", 2011). */
function utm(lat, lon, zone) {
  const [a, f, k] = [6378137, 1 / 298.257223563, 0.9996];
  const e = Math.sqrt(f * (2 - f));
  const n = f / (2 - f);
  const turn = radians(lon - (zone * 6 - 183));
  const conformal = Math.sinh(Math.asinh(Math.tan(radians(lat))) - e * Math.atanh(e * Math.sin(radians(lat))));
  const xi = Math.atan2(conformal, Math.cos(turn));
  const eta = Math.asinh(Math.sin(turn) / Math.hypot(conformal, Math.cos(turn)));
  const terms = [n / 2 - (2 * n ** 2) / 3 + (5 * n ** 3) / 16, (13 * n ** 2) / 48 - (3 * n ** 3) / 5, (61 * n ** 3) / 240];
  const north = terms.reduce((sum, term, i) => sum + term * Math.sin(2 * (i + 1) * xi) * Math.cosh(2 * (i + 1) * eta), xi);
  const east = terms.reduce((sum, term, i) => sum + term * Math.cos(2 * (i + 1) * xi) * Math.sinh(2 * (i + 1) * eta), eta);
  const radius = (k * a * (1 + n ** 2 / 4)) / (1 + n);
  return { easting: 500000 + radius * east, northing: radius * north + (lat < 0 ? 1e7 : 0) };
}

/** The notations that an operator can choose, each with the function that writes it. */
export const NOTATIONS = [
  { name: "WGS 84", write: decimalDegrees },
  { name: "WGS 84, degrees", write: degreesMinutesSeconds },
  { name: "RD New", write: rdText },
  { name: "MGRS", write: mgrs },
];

/** Copies the text of a button when it is pressed; where the browser refuses, the text is selected to copy by hand. */
export function copyOnPress(button) {
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.textContent);
      button.dataset.said = "copied";
    } catch {
      getSelection().selectAllChildren(button);
      button.dataset.said = "press Ctrl+C";
    }
    setTimeout(() => delete button.dataset.said, 1500);
  });
}
