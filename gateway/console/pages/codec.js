// What a stream says of itself: the codec string for WebCodecs, out of its own sequence parameter set. Pure.

const SPS = 7;

/** "avc1.64001f" of a picture in Annex B (H.264), or null if it has no sequence parameter set in front of its slices. */
export function h264CodecString(annexb) {
  for (let i = 0; i + 6 < annexb.length; i++) {
    if (annexb[i] !== 0 || annexb[i + 1] !== 0 || annexb[i + 2] !== 1) continue;
    const kind = annexb[i + 3] & 31;
    if (kind === SPS) return `avc1.${hex(annexb[i + 4])}${hex(annexb[i + 5])}${hex(annexb[i + 6])}`;
    if (kind >= 1 && kind <= 5) return null; // a slice
  }
  return null;
}

function hex(byte) {
  return byte.toString(16).padStart(2, '0');
}
