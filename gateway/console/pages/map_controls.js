// The buttons and the words on the map. Leaflet's own controls take strings of HTML; these take text.

import { L } from "./leaflet.js";

export class MapControls {
  #follow;
  #note = made("div", "map-note");
  #credit = made("div", "map-credit");

  /** @param hands {follow, all}: what the buttons do */
  constructor(map, { follow, all }) {
    this.#follow = button("Follow", "keep the aircraft in sight; moving the map ends it", follow);
    const bar = made("div", "map-buttons");
    bar.append(
      this.#follow,
      button("All", "show all aircraft and the whole track", all),
      button("+", "zoom in", () => map.zoomIn()),
      button("−", "zoom out", () => map.zoomOut()),
    );
    this.#note.setAttribute("role", "status");
    L.DomEvent.disableClickPropagation(bar);
    map.getContainer().append(bar, this.#note, this.#credit);
  }

  following(on) {
    this.#follow.setAttribute("aria-pressed", String(on));
  }

  /** One sentence over the map, or "". */
  say(text) {
    this.#note.textContent = text;
    this.#note.hidden = text === "";
  }

  /** Who made the tiles. */
  credit(text) {
    this.#credit.textContent = text;
    this.#credit.hidden = text === "";
  }
}

function made(tag, name) {
  return Object.assign(document.createElement(tag), { className: name });
}

function button(text, title, press) {
  const found = Object.assign(document.createElement("button"), { type: "button", textContent: text, title });
  if (!/\w/.test(text)) found.setAttribute("aria-label", title);
  found.addEventListener("click", press);
  return found;
}
