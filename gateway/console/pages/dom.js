// The few ways in which this page touches its document. What comes from the air or an order is text, never markup.

export const by = (id) => document.getElementById(id);

/** A new element with classes and a text. */
export function element(tag, classes = '', text = '') {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (text) made.textContent = text;
  return made;
}

/** Sets a text only if it is another: a document that does not change is not laid out again. */
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** The same for a state that the style sheet reads. */
export function mark(node, name, value) {
  const text = String(value);
  if (node.dataset[name] !== text) node.dataset[name] = text;
}

export function hide(node, hidden) {
  if (node.hidden !== hidden) node.hidden = hidden;
}

/** Makes `parent` hold as many children as `rows`, and gives each to `fill(child, row)`. */
export function rows(parent, items, make, fill) {
  while (parent.children.length > items.length) parent.lastElementChild.remove();
  while (parent.children.length < items.length) parent.append(make());
  items.forEach((item, at) => fill(parent.children[at], item));
}
