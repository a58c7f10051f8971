"""Which streams are made to H.264, and what viewers get of them."""

from __future__ import annotations

import asyncio

from gateway.console.transcoder import KEPT_MAX
from gateway.console.transcoding import TRANSCODERS_MAX, UNWATCHED_S, Transcoding


class View:
    def __init__(self) -> None:
        self.transcoded: dict[int, str] = {}
        self.codecs = {1: "h265", 2: "h264", **dict.fromkeys(range(10, 20), "h265")}
        self.kept = [b"k", b"p"]

    def codec(self, stream: int):
        return self.codecs.get(stream)

    def since_key(self, _: int) -> list[bytes]:
        return self.kept


class Made:
    """In place of a transcoder."""

    def __init__(self, on_picture) -> None:
        self.on_picture = on_picture
        self.taken: list[bytes] = []
        self.since_key = [b"h264"]
        self.codec_string, self.last_error, self.waits, self.closed = "", "", False, False

    def take(self, message: bytes) -> None:
        self.taken.append(message)

    async def close(self) -> None:
        self.closed = True


class Stage:
    def __init__(self, *, wanted: bool = True) -> None:
        self.view, self.made, self.shown = View(), [], []
        self.transcoding = Transcoding(self.view, lambda *picture: self.shown.append(picture), self.begin, wanted=wanted)

    def begin(self, on_picture) -> Made:
        self.made.append(Made(on_picture))
        return self.made[-1]


def test_only_h265_that_a_page_shows_is_made_to_h264():
    async def run() -> None:
        stage = Stage()
        stage.transcoding.picture(1, b"before", True)
        stage.transcoding.keep({1, 2, 3}, 0.0)
        assert (len(stage.transcoding), len(stage.made)) == (1, 1)
        stage.transcoding.picture(1, b"h265", False)
        stage.transcoding.picture(2, b"other", True)
        stage.made[0].on_picture(b"h264", True)
        assert stage.shown == [(1, b"before", True), (2, b"other", True), (1, b"h264", True)]
        assert stage.made[0].taken == [b"h265"]
        assert stage.transcoding.since_key(1) == [b"h264"]
        assert stage.transcoding.since_key(2) == [b"k", b"p"]
        await stage.transcoding.close()
        assert stage.made[0].closed

    asyncio.run(run())


def test_a_transcoder_begins_with_the_pictures_since_the_key_picture_if_they_are_few():
    async def run() -> None:
        stage = Stage()
        stage.transcoding.keep({1}, 0.0)
        stage.made[0].waits = True
        stage.transcoding.keep({1}, 0.1)
        assert stage.made[0].taken == [b"k", b"p"]
        stage.view.kept = [b"p"] * (KEPT_MAX + 1)
        stage.transcoding.keep({1}, 0.2)
        assert len(stage.made[0].taken) == 2

    asyncio.run(run())


def test_the_page_is_told_what_it_gets_once_there_is_something():
    async def run() -> None:
        stage = Stage()
        stage.transcoding.keep({1}, 0.0)
        assert stage.view.transcoded == {}
        stage.made[0].codec_string, stage.made[0].last_error = "avc1.42c01e", "late"
        stage.transcoding.keep({1}, 0.1)
        assert stage.view.transcoded == {1: "avc1.42c01e"}
        assert stage.transcoding.last_error == "late"
        stage.view.codecs[1] = "h264"
        stage.transcoding.keep({1}, 0.2)
        await asyncio.sleep(0)
        assert stage.view.transcoded == {}
        assert (len(stage.transcoding), stage.made[0].closed) == (0, True)

    asyncio.run(run())


def test_one_that_no_page_shows_ends_after_a_while():
    async def run() -> None:
        stage = Stage()
        stage.transcoding.keep({1}, 0.0)
        stage.transcoding.keep(set(), UNWATCHED_S)
        assert len(stage.transcoding) == 1
        stage.transcoding.keep(set(), UNWATCHED_S + 0.1)
        assert len(stage.transcoding) == 0
        stage.transcoding.keep({1}, UNWATCHED_S + 0.2)
        assert len(stage.made) == 2

    asyncio.run(run())


def test_they_are_bounded_and_there_are_none_unless_they_are_wanted():
    async def run() -> None:
        many, none = Stage(), Stage(wanted=False)
        for stage in (many, none):
            stage.transcoding.keep({*range(10, 20)}, 0.0)
        assert (len(many.transcoding), len(none.transcoding)) == (TRANSCODERS_MAX, 0)

    asyncio.run(run())
