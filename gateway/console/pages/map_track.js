// The way that one aircraft flew, as a line.

import { L } from "./leaflet.js";

const POINTS_MAX = 20000; // at one a second more than five hours; the oldest are dropped

export class Track {
  #points = []; // [lat, lon, t_us], in the order in which they came: a clock that is set may go back
  #line;
  #began = null;

  constructor(map) {
    this.#line = L.polyline([], { weight: 2, interactive: false }).addTo(map);
  }

  /** @param points [[lat, lon, t_us], ...]; after a reconnection they begin with some that are known */
  add(points) {
    if (points.length === 0) return;
    const known = this.#points.findIndex((point) => point.every((value, at) => value === points[0][at]));
    this.#points = this.#points.slice(0, known < 0 ? undefined : known).concat(points).slice(-POINTS_MAX);
    this.#draw();
  }

  /** @param at when the line began, Unix microseconds; another than before: what came before that point is forgotten */
  beginAt(at) {
    const before = this.#began;
    this.#began = at;
    if (before === null || before === at) return;
    const first = this.#points.findIndex(([, , time]) => time === at);
    this.#points = first < 0 ? [] : this.#points.slice(first);
    this.#draw();
  }

  colour(colour) {
    if (this.#line.options.color !== colour) this.#line.setStyle({ color: colour });
  }

  bounds() {
    return this.#line.getBounds();
  }

  remove() {
    this.#line.remove();
  }

  #draw() {
    this.#line.setLatLngs(this.#points.map(([lat, lon]) => [lat, lon]));
  }
}
