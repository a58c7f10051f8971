// What the map shows where it has no tiles: a square grid in metres, counted from home, on one canvas behind the tiles.

import { metresBetween, offset } from "./footprint.js";
import { L } from "./leaflet.js";

const LEAST_SQUARE_PX = 80;
const GREATEST_SQUARE_M = 50000; // beyond it squares of equal metres are no longer squares on this map

/** The least of 1, 2, 5, 10, 20 ... metres whose square has at least `LEAST_SQUARE_PX` pixels. */
export function squareSize(metresPerPixel) {
  const least = metresPerPixel * LEAST_SQUARE_PX;
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= least);
}

/** "400 m N", "1.5 km W", or "home" for the line through home. */
export function lineLabel(metres, positive, negative) {
  if (metres === 0) return "home";
  const distance = Math.abs(metres);
  const text = distance < 1000 ? `${distance} m` : `${distance / 1000} km`;
  return `${text} ${metres > 0 ? positive : negative}`;
}

export const Grid = L.Layer.extend({
  origin: null,

  /** The position from which the lines are counted; nothing is drawn before there is one. */
  countFrom(lat, lon) {
    if (this.origin && this.origin.lat === lat && this.origin.lon === lon) return;
    this.origin = { lat, lon };
    this.draw();
  },

  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "grid", map.getPane("grid"));
    map.on("move zoomend resize viewreset", this.draw, this);
    this.draw();
  },

  onRemove(map) {
    map.off("move zoomend resize viewreset", this.draw, this);
    this.canvas.remove();
  },

  draw() {
    const size = this._map.getSize();
    const scale = globalThis.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: size.x * scale, height: size.y * scale });
    Object.assign(this.canvas.style, { width: `${size.x}px`, height: `${size.y}px` });
    if (!this.origin) return;
    L.DomUtil.setPosition(this.canvas, this._map.containerPointToLayerPoint([0, 0]));
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(`--map-${name}`);
    this.colours = { line: colour("line"), axis: colour("axis"), label: colour("label") };
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    context.font = "12px system-ui, sans-serif";
    this.drawLines(context, size);
  },

  drawLines(context, size) {
    const { lat, lon } = this.origin;
    const metres = ([x, y]) => {
      const place = this._map.containerPointToLatLng([x, y]);
      return metresBetween(lat, lon, place.lat, place.lng);
    };
    const pixel = (north, east) => this._map.latLngToContainerPoint(offset(lat, lon, north, east));
    const [[south, west], [north, east]] = [metres([0, size.y]), metres([size.x, 0])];
    const square = squareSize((east - west) / size.x);
    if (square > GREATEST_SQUARE_M) return;
    for (const at of multiples(square, west, east)) {
      const { x } = pixel(0, at);
      this.line(context, at === 0, [x, 0], [x, size.y]);
      this.label(context, lineLabel(at, "E", "W"), x + 4, 14);
    }
    for (const at of multiples(square, south, north)) {
      const { y } = pixel(at, 0);
      this.line(context, at === 0, [0, y], [size.x, y]);
      if (y > 36) this.label(context, lineLabel(at, "N", "S"), 6, y - 4); // above it stand the other labels
    }
  },

  line(context, strong, from, to) {
    context.strokeStyle = strong ? this.colours.axis : this.colours.line;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(...from.map((at) => Math.round(at) + 0.5));
    context.lineTo(...to.map((at) => Math.round(at) + 0.5));
    context.stroke();
  },

  label(context, text, x, y) {
    context.fillStyle = this.colours.label;
    context.fillText(text, x, y);
  },
});

function multiples(step, low, high) {
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => (first + i) * step);
}
