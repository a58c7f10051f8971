// The positions below the map, in the notation that the operator chose, each copied by a press.

import { copyOnPress, NOTATIONS } from "./coordinates.js";

export class PositionBar {
  #rows = new Map();
  #notation = NOTATIONS[0];
  #shown = [];
  #remove;

  /** @param remove what the button of a position that the operator set does */
  constructor(element, remove) {
    this.element = element;
    this.#remove = remove;
    element.className = "positions";
    const choice = document.createElement("select");
    choice.setAttribute("aria-label", "notation of positions");
    choice.append(...NOTATIONS.map(({ name }) => new Option(name)));
    choice.addEventListener("change", () => {
      this.#notation = NOTATIONS[choice.selectedIndex];
      this.show(this.#shown);
    });
    element.append(choice);
  }

  /** @param positions a list of {name, lat, lon, note, stale, removable} */
  show(positions) {
    this.#shown = positions;
    const names = new Set(positions.map(({ name }) => name));
    for (const [name, row] of this.#rows) {
      if (names.has(name)) continue;
      row.element.remove();
      this.#rows.delete(name);
    }
    for (const position of positions) {
      if (!this.#rows.has(position.name)) this.#rows.set(position.name, this.#row(position));
      this.#fill(this.#rows.get(position.name), position);
    }
  }

  #row({ name, removable }) {
    const [element, title, button, note] = ["div", "span", "button", "span"].map((tag) => document.createElement(tag));
    element.className = "position";
    title.className = "title";
    title.textContent = name;
    button.type = "button";
    button.className = "copy";
    button.title = "copy";
    note.className = "note";
    copyOnPress(button);
    element.append(title, button, note);
    if (removable) element.append(this.#removal());
    this.element.append(element);
    return { element, button, note };
  }

  #removal() {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: "remove", title: "remove the point (Escape on the map)" });
    button.addEventListener("click", this.#remove);
    return button;
  }

  #fill({ element, button, note }, { lat, lon, note: words = "", stale = false }) {
    const text = this.#notation.write(lat, lon);
    if (button.textContent !== text) button.textContent = text; // a selection to copy by hand stays while nothing changes
    note.textContent = words;
    element.classList.toggle("stale", stale);
  }
}
