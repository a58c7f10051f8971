"""The console's pages without a console: its files and its headers, for tests of what runs in the browser alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from gateway.console import pages
from gateway.console.door import Door
from gateway.console.tiles import Tiles

STYLES = ("/style.css", "/vendor/leaflet/leaflet.css", "/map.css", "/test.css")
LINKS = "".join(f"<link rel=stylesheet href={path}>" for path in STYLES)
MAP = f"<!doctype html><html lang=en><meta charset=utf-8>{LINKS}<link rel=icon href=/icon.svg><div id=map></div>"
STYLE = "html, body { margin: 0; height: 100% } #map { height: 100vh; font: 15px sans-serif }"


class Handler(BaseHTTPRequestHandler):
    """Answers with `files`, and with what `tiles` gives."""

    tiles: ClassVar[Tiles | None] = None
    files: ClassVar[dict[str, pages.File]] = {}

    def do_GET(self) -> None:
        found = self.files.get(self.path) or (self.tiles and asyncio.run(self.tiles.give(self.path)))
        self.send_response(200 if found else 404)
        for name, value in Door("", self.server.server_address[1]).headers:
            self.send_header(name, value)
        self.send_header("Content-Type", found.kind if found else "text/plain")
        self.end_headers()
        self.wfile.write(found.body if found else b"")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(tiles: Path | None = None) -> Iterator[str]:
    """The address of a page that has only the map's element, beside the console's own files; `tiles` is an MBTiles file."""
    page = {"/": pages.File("text/html", MAP.encode()), "/test.css": pages.File("text/css", STYLE.encode())}
    handler = type("WithFiles", (Handler,), {"tiles": tiles and Tiles(tiles), "files": {**pages.load(), **page}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
