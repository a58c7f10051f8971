// The way that one aircraft flew, as a line.

import { L } from "./leaflet.js";

const POINTS_MAX = 20000; // at one a second more than five hours; the oldest are dropped

export class Track {
  #points = []; // [lat, lon, t_us], in the order of time
  #line;

  constructor(map) {
    this.#line = L.polyline([], { weight: 2, interactive: false }).addTo(map);
  }

  /** @param points [[lat, lon, t_us], ...]; what is not newer than the newest is known from before a reconnection */
  add(points) {
    const newest = this.#points.length ? this.#points.at(-1)[2] : -Infinity;
    const added = points.filter(([, , at]) => at > newest);
    if (added.length === 0) return;
    this.#points = this.#points.concat(added).slice(-POINTS_MAX);
    this.#draw();
  }

  /** Points of before `at` (Unix microseconds) are of an earlier flight, or of another aircraft of this name. */
  beginAt(at) {
    if (at === null || this.#points.length === 0 || this.#points[0][2] >= at) return;
    this.#points = this.#points.filter(([, , time]) => time >= at);
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
