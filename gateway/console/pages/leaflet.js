// Leaflet 1.9.4 (vendor/leaflet, unchanged) as a module: it is a classic script, which leaves its name in the global scope.

import "./vendor/leaflet/leaflet.js";

export const L = globalThis.L;
