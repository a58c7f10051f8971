// Keys: each calls an action of the page. None of them leads to an aircraft.

export const KEYS = [
  ['1 to 8', 'the aircraft of that number, large'],
  ['v', 'the other camera, large'],
  ['m', 'the map large, and back'],
  ['s', 'snapshot: a picture, and its time, position and hash'],
  ['f', 'full screen: the picture and the seal'],
  ['c', 'high contrast, and back'],
  ['?', 'these keys'],
];

const ACTIONS = { v: 'lane', m: 'map', s: 'snapshot', f: 'full', c: 'contrast', '?': 'help' };

export function listen(actions) {
  document.addEventListener('keydown', (event) => {
    if (event.target.closest('input, select, textarea')) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (/^[1-9]$/.test(event.key)) actions.aircraft(Number(event.key) - 1);
    else if (ACTIONS[event.key.toLowerCase()]) actions[ACTIONS[event.key.toLowerCase()]]();
    else return;
    event.preventDefault();
  });
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-action]');
    if (button) actions[button.dataset.action]();
  });
}
