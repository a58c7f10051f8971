// The map: tiles of a file at the station if it has one, else a grid; on it what the state says. It asks no other host for
// anything, and all text from outside is set as text.

import { L } from "./leaflet.js";
import { ageWords, keyOf, outlookOf, positionOf, pointSymbols, positionsOf, symbolsOf } from "./map_content.js";
import { MapControls } from "./map_controls.js";
import { Grid } from "./map_grid.js";
import { Symbols } from "./map_symbols.js";
import { Track } from "./map_track.js";
import { PositionBar } from "./position_bar.js";

const FIRST_ZOOM = 16;
const COLOURS = { track: "#4cc2ff", others: "#5d7183", outlook: "#ffd166" };

export class MapView {
  #map;
  #grid = new Grid();
  #symbols;
  #positions;
  #controls;
  #outlook = L.polygon([], { color: COLOURS.outlook, weight: 2, fillOpacity: 0.12, interactive: false, smoothFactor: 0 });
  #sight = L.polyline([], { color: COLOURS.outlook, weight: 1, dashArray: "4 6", interactive: false });
  #tracks = new Map();
  #state = { main: null, all: [], at: 0 };
  #picked = null;
  #following = true;
  #followed = ""; // the key of the aircraft that the map was moved to last

  /** @param element where the map is built; @param hello the message of this name: `tiles` is true with a map file */
  constructor(element, hello) {
    const [frame, positions] = [document.createElement("div"), document.createElement("div")];
    frame.className = "map-frame";
    element.classList.add("map-view");
    element.append(frame, positions);
    this.#map = L.map(frame, {
      attributionControl: false, zoomControl: false, preferCanvas: true, minZoom: 4, maxZoom: 21,
      zoomAnimation: false, fadeAnimation: false, markerZoomAnimation: false, inertia: false,
    });
    this.#map.setView([0, 0], FIRST_ZOOM); // Leaflet needs a view; it is empty until the first position
    this.#map.createPane("grid").style.zIndex = 150; // behind the tiles, which are at 200
    for (const layer of [this.#grid, this.#outlook, this.#sight]) layer.addTo(this.#map);
    L.control.scale({ imperial: false }).addTo(this.#map);
    this.#symbols = new Symbols(this.#map);
    this.#positions = new PositionBar(positions, () => this.#pick(null));
    this.#controls = new MapControls(this.#map, {
      follow: () => this.#follow(!this.#following), all: () => this.#showAll(),
    });
    this.#listen(frame);
    this.#follow(true);
    if (hello.tiles) this.#addTiles();
    setInterval(() => this.#tick(), 1000);
  }

  /** @param aircraft the one that is shown large, or null; @param all every aircraft of the state */
  show(aircraft, all) {
    this.#state = { main: aircraft, all, at: performance.now() };
    const keys = new Set(all.map(keyOf));
    for (const [key, track] of this.#tracks) {
      if (keys.has(key)) continue;
      track.remove();
      this.#tracks.delete(key);
    }
    for (const each of all) this.#trackOf(each).beginAt(each.track_reset ?? null);
    this.#draw();
  }

  /** @param message a `track`: its points are new, or after a reconnection all of them */
  track(message) {
    this.#trackOf(message).add(message.points);
  }

  #trackOf(aircraft) {
    const key = keyOf(aircraft);
    if (!this.#tracks.has(key)) this.#tracks.set(key, new Track(this.#map));
    return this.#tracks.get(key);
  }

  /** Ages go on while no message comes, and the page may have got other colours. */
  #tick() {
    this.#grid.draw();
    this.#draw();
  }

  #draw() {
    const { main, all, at } = this.#state;
    const since = (performance.now() - at) / 1000;
    const position = positionOf(main, since);
    const outlook = outlookOf(main, since);
    if (position) this.#place(position, main);
    this.#controls.say(position ? (position.stale ? `position is ${ageWords(position.age)} old` : "") : "no position yet");
    this.#positions.show(positionsOf(main, outlook, this.#picked, since));
    this.#symbols.show([...symbolsOf(main, all, since), ...pointSymbols(outlook, this.#picked)]);
    this.#outlook.setLatLngs(outlook?.outline ?? []).setStyle({ dashArray: outlook?.cut ? "6 6" : null });
    this.#sight.setLatLngs(outlook?.centre ? [[position.lat, position.lon], outlook.centre] : []);
    for (const [key, track] of this.#tracks) track.colour(main && key === keyOf(main) ? COLOURS.track : COLOURS.others);
  }

  /** A map that follows moves when the aircraft leaves the middle of what is seen: one that always moves is not calm. */
  #place(position, main) {
    const origin = main.home ?? this.#grid.origin ?? position;
    this.#grid.countFrom(origin.lat, origin.lon);
    const inMiddle = () => this.#map.getBounds().pad(-0.25).contains([position.lat, position.lon]);
    const first = this.#followed === "";
    if (!first && (!this.#following || (this.#followed === keyOf(main) && inMiddle()))) return;
    this.#followed = keyOf(main);
    this.#map.setView([position.lat, position.lon], first ? FIRST_ZOOM : this.#map.getZoom(), { animate: false });
  }

  #listen(frame) {
    this.#map.on("dragstart", () => this.#follow(false));
    this.#map.on("click", ({ latlng }) => this.#pick({ lat: latlng.lat, lon: latlng.wrap().lng }));
    frame.setAttribute("aria-label", "map: arrows move it, plus and minus zoom, Enter sets a point in its middle");
    frame.addEventListener("keydown", ({ key, target }) => {
      if (target !== frame) return;
      frame.classList.add("keys"); // the style shows where Enter sets a point
      if (key.startsWith("Arrow")) this.#follow(false);
      if (key === "Escape") this.#pick(null);
      const { lat, lng } = this.#map.getCenter();
      if (key === "Enter") this.#pick({ lat, lon: lng });
    });
    frame.addEventListener("keyup", () => frame.classList.add("keys")); // Tab, which came from outside
    frame.addEventListener("pointerdown", () => frame.classList.remove("keys"));
    new ResizeObserver(() => this.#map.invalidateSize({ animate: false })).observe(frame);
  }

  #follow(following) {
    this.#following = following;
    if (following && this.#followed) this.#followed = "(again)"; // so that it moves at once
    const zoom = following ? "center" : true; // while it follows, a wheel or two fingers do not move it
    Object.assign(this.#map.options, { scrollWheelZoom: zoom, touchZoom: zoom });
    this.#controls.following(following);
    this.#draw();
  }

  #pick(place) {
    this.#picked = place;
    this.#draw();
  }

  #showAll() {
    const bounds = L.latLngBounds([]);
    for (const track of this.#tracks.values()) bounds.extend(track.bounds());
    for (const { lat, lon } of symbolsOf(this.#state.main, this.#state.all, 0)) bounds.extend([lat, lon]);
    if (!bounds.isValid()) return;
    this.#follow(false);
    this.#map.fitBounds(bounds.pad(0.1), { maxZoom: FIRST_ZOOM, animate: false });
  }

  async #addTiles() {
    const answer = await fetch("/tiles.json");
    if (!answer.ok) return;
    const { bounds, minzoom, maxzoom, attribution } = await answer.json();
    const [west, south, east, north] = bounds;
    const inside = [[south, west], [north, east]];
    const options = { minNativeZoom: minzoom, maxNativeZoom: maxzoom, maxZoom: 21, noWrap: true, bounds: inside };
    L.tileLayer("/tiles/{z}/{x}/{y}", options).addTo(this.#map);
    this.#controls.credit(attribution);
    if (!this.#followed) this.#map.fitBounds(inside, { animate: false });
  }
}
