"""Pages: the files that a browser is given, by a table that is made at the start.

No path of a request is ever joined to a folder: a path is in the table, or it is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("pages")
INDEX = "/index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
LICENCE = "text/plain; charset=utf-8"  # of a file without an ending


class File(NamedTuple):
    """What a browser is given."""

    kind: str  # its content type
    body: bytes


def load(folder: Path = FOLDER) -> Mapping[str, File]:
    """Every file of the folder by its path of a request; / is the page. What begins with a point is left out."""
    found = {
        f"/{path.relative_to(folder).as_posix()}": File(TYPES.get(path.suffix, LICENCE), path.read_bytes())
        for path in sorted(folder.rglob("[!.]*"))
        if path.is_file()
    }
    return found | ({"/": found[INDEX]} if INDEX in found else {})
