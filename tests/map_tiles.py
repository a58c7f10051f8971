"""A map file for tests: MBTiles (PNG pictures in a table of SQLite, rows counted from the south) of coloured tiles."""

from __future__ import annotations

import math
import sqlite3
import struct
import zlib
from pathlib import Path

SIZE = 256


def png(colour: tuple[int, int, int], *, size: int = SIZE) -> bytes:
    """A square of one colour with a darker border."""
    dark = bytes(value // 2 for value in colour)
    edge = b"\0" + dark * size
    row = b"\0" + dark + bytes(colour) * (size - 2) + dark
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(edge + row * (size - 2) + edge)),
    )
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks) + struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))


def tile_of(lat: float, lon: float, zoom: int) -> tuple[int, int]:
    """The column and the row, counted from the north, of the tile that holds a position (Web Mercator)."""
    turns = math.log(math.tan(math.radians(lat)) + 1 / math.cos(math.radians(lat))) / math.pi
    return int((lon + 180) / 360 * 2**zoom), int((1 - turns) / 2 * 2**zoom)


def write(path: Path, lat: float, lon: float, *, zooms: range = range(12, 18), around: int = 2) -> Path:
    """Tiles for the surroundings of a position, each zoom in a colour of its own."""
    with sqlite3.connect(path) as file:
        file.execute("create table metadata (name text, value text)")
        file.execute("create table tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)")
        bounds = f"{lon - 0.1},{lat - 0.1},{lon + 0.1},{lat + 0.1}"
        described = {"name": "test", "format": "png", "bounds": bounds, "minzoom": str(zooms[0]), "maxzoom": str(zooms[-1])}
        file.executemany(
            "insert into metadata values (?, ?)", (described | {"attribution": "&lt;b&gt;nobody&lt;/b&gt;"}).items()
        )
        for zoom in zooms:
            column, row = tile_of(lat, lon, zoom)
            steps = range(-around, around + 1)
            file.executemany(
                "insert into tiles values (?, ?, ?, ?)",
                [
                    (zoom, column + x, 2**zoom - 1 - row - y, png((40, 90, 40 + 10 * (zoom - zooms[0]))))
                    for x in steps
                    for y in steps
                ],
            )
    return path
