// What stands on the map at one position: aircraft, home, station, traffic, points. Names and labels come from the air, so
// they are set as text and never reach Leaflet as a string.

import { L } from "./leaflet.js";

const SVG = "http://www.w3.org/2000/svg";

/** Paths in a square of 32 units around its middle; those that turn point to the north. */
const SHAPES = {
  aircraft: { path: "M0,-14 L10,12 L0,6 L-10,12 Z", turns: true },
  unturned: { path: "M0,-9 A9,9 0 1 1 -0.1,-9 Z", turns: false }, // an aircraft whose heading is not known
  home: { path: "M-9,9 V-1 L0,-10 L9,-1 V9 Z", turns: false },
  camera: { path: "M-9,0 H9 M0,-9 V9 M0,-5 A5,5 0 1 1 -0.1,-5", turns: false, open: true },
  point: { path: "M0,0 L-7,-12 A8,8 0 1 1 7,-12 Z", turns: false },
  station: { path: "M0,-12 A4,4 0 1 1 -0.1,-12 M-7,10 V4 A7,7 0 0 1 7,4 V10 Z", turns: false },
  adsb: { path: "M0,-13 L3,-3 L13,3 L13,6 L3,4 L2,9 L5,12 H-5 L-2,9 L-3,4 L-13,6 L-13,3 L-3,-3 Z", turns: true },
  remote_id: { path: "M0,-11 L11,0 L0,11 L-11,0 Z", turns: false },
};

export class Symbol {
  #map;
  #marker;
  #icon = document.createElement("div");
  #shape = document.createElementNS(SVG, "svg");
  #path = document.createElementNS(SVG, "path");
  #name = document.createElement("span");
  #detail = document.createElement("span");

  /** @param kind one of `SHAPES`; it is the class in the style sheet, too */
  constructor(map, kind) {
    this.#map = map;
    this.#icon.className = `symbol ${kind}`;
    this.#shape.setAttribute("viewBox", "-16 -16 32 32");
    this.#shape.append(this.#path);
    const label = document.createElement("div");
    label.className = "label";
    label.append(this.#name, this.#detail);
    this.#icon.append(this.#shape, label);
    this.shape(kind);
    const icon = L.divIcon({ html: this.#icon, className: "symbol-place", iconSize: [0, 0] });
    this.#marker = L.marker([0, 0], { icon, interactive: false, keyboard: false });
  }

  shape(name) {
    const { path, open } = SHAPES[name];
    this.#path.setAttribute("d", path);
    this.#shape.classList.toggle("open", Boolean(open));
    this.turns = SHAPES[name].turns;
  }

  /** @param shown {lat, lon, heading, name, detail, stale, main}; heading in degrees or null */
  show({ lat, lon, heading = null, name = "", detail = "", stale = false, main = false }) {
    this.#marker.setLatLng([lat, lon]);
    if (!this.#map.hasLayer(this.#marker)) this.#marker.addTo(this.#map);
    this.#shape.style.transform = this.turns && heading !== null ? `rotate(${heading}deg)` : "";
    this.#name.textContent = name;
    this.#detail.textContent = detail;
    this.#icon.classList.toggle("stale", stale);
    this.#icon.classList.toggle("main", main);
    this.#marker.setZIndexOffset(main ? 1000 : 0);
  }

  remove() {
    this.#marker.remove();
  }
}

/** Symbols by key: what was shown before and is not in the new list is removed. */
export class Symbols {
  #map;
  #byKey = new Map();

  constructor(map) {
    this.#map = map;
  }

  /** @param list of {key, kind, ...what `Symbol.show` takes} */
  show(list) {
    const keys = new Set(list.map(({ key }) => key));
    for (const [key, symbol] of this.#byKey) {
      if (keys.has(key)) continue;
      symbol.remove();
      this.#byKey.delete(key);
    }
    for (const { key, kind, ...shown } of list) {
      if (!this.#byKey.has(key)) this.#byKey.set(key, new Symbol(this.#map, kind));
      const symbol = this.#byKey.get(key);
      if (kind === "aircraft") symbol.shape(shown.heading === null ? "unturned" : "aircraft");
      symbol.show(shown);
    }
  }
}
