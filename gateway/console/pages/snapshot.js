// A picture to keep: a PNG of what the canvas shows, at the picture's own size, and beside it a JSON that says what it is.
// Both go to the browser's downloads; nothing is kept in the page.

const FORMAT = "zegel-snapshot/1";

/**
 * @param canvas the canvas with the picture at its full size
 * @param aircraft the aircraft of the state; its position is stored with its age
 * @param about {lane, ground: the aircraft's ground of the state or null}
 * @returns the name of both files without their endings
 */
export async function snapshot(canvas, aircraft, { lane, ground }) {
  const at = Date.now();
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  if (!blob) throw new Error("the browser could not make a PNG of the picture");
  const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
  const name = fileName(aircraft.device, lane, at);
  const said = description(canvas, aircraft, { lane, ground, at, sha256: hex(digest), file: `${name}.png` });
  download(`${name}.png`, blob);
  download(`${name}.json`, new Blob([`${JSON.stringify(said, null, 2)}\n`], { type: "application/json" }));
  return name;
}

function description(canvas, aircraft, { lane, ground, at, sha256, file }) {
  return {
    format: FORMAT, file, sha256,
    time: new Date(at).toISOString(), // of this computer
    device: aircraft.device, session: aircraft.session, lane,
    station: ground?.name ?? null, operation: ground?.operation ?? null, agency: ground?.agency ?? null,
    class: ground?.class ?? null, order: ground?.order ?? null,
    width: canvas.width, height: canvas.height,
    position: aircraft.telemetry?.position ?? null, heading: aircraft.telemetry?.heading ?? null,
    gimbal: aircraft.telemetry?.gimbal ?? null, camera: aircraft.telemetry?.camera ?? null,
  };
}

function fileName(device, lane, at) {
  const plain = (text) => text.replace(/[^A-Za-z0-9_-]+/g, "_").slice(0, 40);
  const time = new Date(at).toISOString().replace(/[-:.]/g, "");
  return `zegel-${plain(device)}-${plain(lane)}-${time}`;
}

function hex(buffer) {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function download(name, blob) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000); // the browser reads it after the click
}
