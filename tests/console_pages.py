"""The console's pages without a console: its files and its headers, for tests of what runs in the browser alone."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from gateway.console import pages
from gateway.console.door import Door

STYLES = ("/vendor/leaflet/leaflet.css", "/map.css", "/test.css")
LINKS = "".join(f"<link rel=stylesheet href={path}>" for path in STYLES)
MAP = f"<!doctype html><html lang=en><meta charset=utf-8>{LINKS}<link rel=icon href=/icon.svg><div id=map></div>"
STYLE = "html, body { margin: 0; height: 100% } #map { height: 100vh; font: 15px sans-serif }"


class Handler(BaseHTTPRequestHandler):
    """Answers with `files`, and with tiles of the MBTiles file `tiles` as the console does."""

    tiles: ClassVar[Path | None] = None
    files: ClassVar[dict[str, pages.File]] = {}

    def do_GET(self) -> None:
        is_tile = self.path == "/tiles.json" or self.path.startswith("/tiles/")
        found = self.tile() if is_tile and self.tiles else self.files.get(self.path)
        self.send_response(200 if found else 404)
        for name, value in Door("", self.server.server_address[1]).headers:
            self.send_header(name, value)
        self.send_header("Content-Type", found.kind if found else "text/plain")
        self.end_headers()
        self.wfile.write(found.body if found else b"")

    def tile(self) -> pages.File | None:
        with sqlite3.connect(self.tiles) as file:
            if self.path == "/tiles.json":
                said: dict[str, Any] = dict(file.execute("select name, value from metadata"))
                said["bounds"] = [float(text) for text in said["bounds"].split(",")]
                said |= {key: int(said[key]) for key in ("minzoom", "maxzoom")}
                return pages.File("application/json", json.dumps(said).encode())
            zoom, column, row = map(int, self.path.split("/")[2:])
            query = "select tile_data from tiles where zoom_level = ? and tile_column = ? and tile_row = ?"
            found = file.execute(query, (zoom, column, 2**zoom - 1 - row)).fetchone()
        return found and pages.File("image/png", found[0])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(tiles: Path | None = None) -> Iterator[str]:
    """The address of a page that has only the map's element, beside the console's own files; `tiles` is an MBTiles file."""
    page = {"/": pages.File("text/html", MAP.encode()), "/test.css": pages.File("text/css", STYLE.encode())}
    handler = type("WithFiles", (Handler,), {"tiles": tiles, "files": {**pages.load(), **page}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
