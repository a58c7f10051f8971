// What a picture says of itself in its first units (H.264 in Annex B). Pure.

const SPS = 7;
const SLICES = [1, 2, 3, 4, 5]; // kinds of units (H.264 table 7-1)

/** {codec, slice}: "avc1.64001f" if it has a sequence parameter set before its slices, else null; whether it has a slice. */
export function describe(annexb) {
  let codec = null;
  for (let i = 0; i + 4 <= annexb.length; i++) {
    if (annexb[i] !== 0 || annexb[i + 1] !== 0 || annexb[i + 2] !== 1) continue;
    const kind = annexb[i + 3] & 31;
    if (SLICES.includes(kind)) return { codec, slice: true };
    if (kind === SPS && i + 7 <= annexb.length) codec = `avc1.${[4, 5, 6].map((at) => hex(annexb[i + at])).join('')}`;
  }
  return { codec, slice: false };
}

function hex(byte) {
  return byte.toString(16).padStart(2, '0');
}
