"""Tiles: a raster map out of an MBTiles file, for a station without internet. SQLite of the standard library.

https://github.com/mapbox/mbtiles-spec/blob/master/1.3/spec.md: tables `metadata` and `tiles`; rows count from the south
(TMS), those of our addresses from the north (XYZ). What a tile is, its first bytes say.

The file comes from anywhere. It is opened to read alone, nothing of its schema is trusted, a question to it ends after
ANSWER_WITHIN_S, and no value of it may be larger than TILE_SIZE_MAX. It is read in a thread of its own, so that no card
delays a picture.
"""

from __future__ import annotations

import asyncio
import html.parser
import json
import math
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gateway.console.pages import File
from gateway.errors import ConfigError

ABOUT = "/tiles.json"
TILE = re.compile(r"/tiles/([0-9]{1,2})/([0-9]{1,8})/([0-9]{1,8})")
TILE_SIZE_MAX = 2 << 20
TEXT_MAX = 400  # characters of a name or an attribution
ZOOM_MAX = 24
ANSWER_WITHIN_S = 2.0
STEPS = 10_000  # of SQLite's machine between two looks at the clock
WORLD = (-180.0, -85.0511, 180.0, 85.0511)  # west, south, east, north: all of Web Mercator
MAGIC = b"SQLite format 3\0"
KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}
VECTOR = (b"\x1f\x8b", b"\x1a")  # gzip, and a first layer of Mapbox's vector tiles
HINT = "zegel console --map needs an MBTiles file of PNG, JPEG or WebP tiles: docs/console.md"


class Tiles:
    """One MBTiles file. ConfigError if it is none, or not of pictures."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._until = 0.0
        self._thread = ThreadPoolExecutor(1, "tiles")
        try:
            with path.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise ConfigError(f"{path} is no MBTiles file", hint=HINT)
            self._about = self._thread.submit(self._open).result()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}", hint=HINT) from None
        except sqlite3.Error as error:
            raise ConfigError(f"{path} is no MBTiles file that can be read: {error}", hint=HINT) from None

    async def give(self, path: str) -> File | None:
        """What a page asked for: TileJSON, or a tile; None if there is no such thing."""
        if path == ABOUT:
            return self._about
        if (place := TILE.fullmatch(path)) is None:
            return None
        zoom, column, row = map(int, place.groups())
        if zoom > ZOOM_MAX or max(column, row) >> zoom:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._tile, zoom, column, row)

    # --- in the thread ---

    def _open(self) -> File:
        self._base = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        self._base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, TILE_SIZE_MAX)
        self._base.set_progress_handler(self._is_late, STEPS)
        self._base.text_factory = lambda data: data.decode(errors="replace")
        self._ask("PRAGMA trusted_schema = OFF")
        said = {str(name): str(value) for name, value in self._ask("SELECT name, value FROM metadata LIMIT 100")}
        first = self._ask("SELECT tile_data FROM tiles LIMIT 1")
        if not first:
            raise ConfigError(f"{self._path} has no tiles", hint=HINT)
        if _kind(first[0][0]) is None:
            what = (
                "vector tiles, which the console cannot draw" if _bytes(first[0][0]).startswith(VECTOR) else "no pictures"
            )
            raise ConfigError(f"the tiles of {self._path} are {what}", hint=HINT)
        return _about(said, *self._zooms(said))

    def _zooms(self, said: Mapping[str, str]) -> tuple[int, int]:
        """The least and the most. A file that does not say them is searched."""
        try:
            least, most = int(said["minzoom"]), int(said["maxzoom"])
        except (KeyError, ValueError):
            ((least, most),) = self._ask("SELECT CAST(min(zoom_level) AS INT), CAST(max(zoom_level) AS INT) FROM tiles")
        return min(max(0, least), ZOOM_MAX), min(max(0, most), ZOOM_MAX)

    def _tile(self, zoom: int, column: int, row: int) -> File | None:
        of_tms = (1 << zoom) - 1 - row
        try:
            found = self._ask(
                "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ? LIMIT 1",
                (zoom, column, of_tms),
            )
        except sqlite3.Error:  # a damaged page, or a value that is too large: that tile is missing
            return None
        data = found[0][0] if found else None
        kind = _kind(data)
        return None if kind is None else File(kind, _bytes(data))

    def _ask(self, question: str, values: Sequence[int] = ()) -> list[Any]:
        self._until = time.monotonic() + ANSWER_WITHIN_S
        return self._base.execute(question, values).fetchall()

    def _is_late(self) -> bool:
        return time.monotonic() > self._until


def _bytes(data: object) -> bytes:
    return data if isinstance(data, bytes) else b""


def _kind(data: object) -> str | None:
    """The content type of a tile; None if it is no picture."""
    begin = _bytes(data)[:12]
    if begin[:4] == b"RIFF" and begin[8:] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in KINDS.items() if begin.startswith(magic)), None)


def _about(said: Mapping[str, str], least: int, most: int) -> File:
    """TileJSON 3.0.0. What the file says of itself is text: attributions often have links in them."""
    about = {
        "tilejson": "3.0.0",
        "tiles": ["/tiles/{z}/{x}/{y}"],
        "name": _text(said.get("name", "")),
        "attribution": _text(said.get("attribution", "")),
        "bounds": _bounds(said.get("bounds", "")),
        "minzoom": least,
        "maxzoom": most,
    }
    return File("application/json", json.dumps(about).encode())


def _bounds(text: str) -> list[float]:
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError:
        return [*WORLD]
    inside = -180 <= west < east <= 180 and -90 <= south < north <= 90  # noqa: PLR2004 - degrees
    return [west, south, east, north] if inside and math.isfinite(west + south + east + north) else [*WORLD]


def _text(markup: str) -> str:
    """What a reader sees of it."""
    parser = _Text()
    parser.feed(markup[: TEXT_MAX * 4])
    parser.close()
    return " ".join("".join(parser.found).split())[:TEXT_MAX]


class _Text(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)
