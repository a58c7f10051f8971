"""A map out of an MBTiles file, which comes from anywhere."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from gateway.console import tiles
from gateway.console.tiles import TILE_SIZE_MAX, Tiles
from gateway.errors import ConfigError

PNG, JPEG, WEBP = b"\x89PNG\r\n\x1a\n....", b"\xff\xd8\xff\xe0....", b"RIFF\x10\0\0\0WEBPVP8 "
ZOOMS = [("minzoom", "0"), ("maxzoom", "12")]
TILES = "CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)"
METADATA = "CREATE TABLE metadata (name text, value text)"


def made(folder: Path, rows, said=(), schema=(TILES, METADATA)) -> Path:
    """An MBTiles file with these rows (zoom, column, row from the south, data)."""
    path = folder / "a map?#%.mbtiles"
    with sqlite3.connect(path) as base:
        for statement in schema:
            base.execute(statement)
        for row in rows:
            base.execute("INSERT INTO tiles VALUES (?, ?, ?, ?)", row)
        base.executemany("INSERT INTO metadata VALUES (?, ?)", said)
    base.close()
    return path


def given(one: Tiles, path: str):
    return asyncio.run(one.give(path))


def test_rows_of_the_file_count_from_the_south_and_those_of_a_page_from_the_north(tmp_path):
    one = Tiles(made(tmp_path, [(0, 0, 0, PNG), (2, 1, 3, JPEG), (2, 1, 0, WEBP)]))
    assert given(one, "/tiles/0/0/0") == ("image/png", PNG)
    assert given(one, "/tiles/2/1/0") == ("image/jpeg", JPEG)
    assert given(one, "/tiles/2/1/3") == ("image/webp", WEBP)
    assert given(one, "/tiles/2/1/2") is None


def test_the_file_says_what_it_is_as_text(tmp_path):
    said = [
        ("name", "Harbour <b>map</b>"),
        ("attribution", '&copy; <a href="https://example.org" onclick="x()">A &amp; B</a><script>y()</script>'),
        ("bounds", "3.2,50.7,7.3,53.6"),
    ]
    about = json.loads(given(Tiles(made(tmp_path, [(4, 0, 0, PNG), (12, 0, 0, PNG)], said)), "/tiles.json").body)
    assert about["name"] == "Harbour map"
    assert about["attribution"].startswith("© A & B")
    assert "<" not in about["attribution"]
    assert about["bounds"] == [3.2, 50.7, 7.3, 53.6]
    assert (about["minzoom"], about["maxzoom"]) == (4, 12)


@pytest.mark.parametrize("bounds", ["", "1,2,3", "nan,nan,nan,nan", "9,9,1,1", "-999,0,0,1", "a,b,c,d", "1,1,inf,2"])
def test_bounds_that_are_none_are_the_world(tmp_path, bounds):
    about = json.loads(given(Tiles(made(tmp_path, [(0, 0, 0, PNG)], [("bounds", bounds)])), "/tiles.json").body)
    assert about["bounds"] == [*tiles.WORLD]


@pytest.mark.parametrize(
    "path",
    [
        *("/tiles/0/0/1", "/tiles/0/1/0", "/tiles/25/0/0", "/tiles/0/0/0/", "/tiles/0/0/0.png", "/tiles/-1/0/0"),
        *("/tiles/0/0/99999999", "/tiles/0/0/999999999999", "/tiles/a/0/0", "/tiles/0/0/\u0660", "/tiles", "/"),
    ],
)
def test_nothing_else_is_a_tile(tmp_path, path):
    assert given(Tiles(made(tmp_path, [(0, 0, 0, PNG)])), path) is None


@pytest.mark.parametrize("data", [b"", b"<svg onload='x()'/>", b"<html>", None, 7, "text", b"GIF89a", bytes(TILE_SIZE_MAX)])
def test_a_tile_that_is_no_picture_is_missing(tmp_path, data):
    assert given(Tiles(made(tmp_path, [(0, 0, 0, PNG), (1, 0, 0, data)])), "/tiles/1/0/1") is None


def test_a_tile_that_is_too_large_is_missing_and_the_next_is_given(tmp_path):
    one = Tiles(made(tmp_path, [(0, 0, 0, PNG), (1, 0, 0, PNG + bytes(TILE_SIZE_MAX))]))
    assert given(one, "/tiles/1/0/1") is None
    assert given(one, "/tiles/0/0/0") == ("image/png", PNG)


def test_no_question_to_the_file_takes_long(tmp_path, monkeypatch):
    """A view may compute without end."""
    monkeypatch.setattr(tiles, "ANSWER_WITHIN_S", 0.1)
    endless = (
        "CREATE VIEW tiles AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        "SELECT x AS zoom_level, x AS tile_column, x AS tile_row, x AS tile_data FROM n WHERE x < 0"
    )
    with pytest.raises(ConfigError, match="interrupted"):
        Tiles(made(tmp_path, [], schema=(METADATA, endless)))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ((METADATA, "CREATE TABLE tiles (a, b, c, d)"), "no such column"),
        ((TILES, "CREATE TABLE metadata (a, b)"), "no such column"),
        ((TILES, METADATA), "has no tiles"),
    ],
)
def test_another_schema_is_told(tmp_path, schema, words):
    with pytest.raises(ConfigError, match=words) as told:
        Tiles(made(tmp_path, [], schema=schema))
    assert "docs/console.md" in told.value.hint


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"\x1f\x8b\x08\0", "vector"), (b"\x1a\x20\x0a", "vector"), (b"GIF89a", "no pictures"), (7, "no pict")],
)
def test_tiles_that_cannot_be_drawn_are_told(tmp_path, data, words):
    with pytest.raises(ConfigError, match=words):
        Tiles(made(tmp_path, [(0, 0, 0, data)]))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"SQLite format 3", b"SQLite format 3\0" + bytes(100)])
def test_a_file_of_another_kind_is_told(tmp_path, content):
    path = tmp_path / "map.mbtiles"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="no MBTiles file"):
        Tiles(path)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        Tiles(tmp_path / "map.mbtiles")
    with pytest.raises(ConfigError, match="directory"):
        Tiles(tmp_path)


def test_a_damaged_file_gives_what_it_can(tmp_path):
    path = made(tmp_path, [(0, 0, 0, PNG), *((12, number, 0, PNG + bytes(2000)) for number in range(200))], ZOOMS)
    whole = bytearray(path.read_bytes())
    for at in range(3 * len(whole) // 4, len(whole)):
        whole[at] ^= 0x55
    path.write_bytes(whole)
    one = Tiles(path)
    assert given(one, "/tiles/0/0/0") == ("image/png", PNG)
    assert {given(one, f"/tiles/12/{number}/4095") is None for number in range(200)} == {True, False}


def test_a_map_is_never_written(tmp_path):
    path = made(tmp_path, [(0, 0, 0, PNG)])
    before = path.read_bytes()
    given(Tiles(path), "/tiles/0/0/0")
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]
