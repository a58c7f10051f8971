"""What each browser is sent next, and what a slow one loses."""

from __future__ import annotations

import pytest

from gateway.console.viewers import AGAIN_AFTER_S, BEHIND_AFTER_S, BYTES_MAX, Message, Viewer

FIRST, SECOND = 1, 2


class Streams:
    """What is kept of each stream since its last key picture."""

    def __init__(self) -> None:
        self.kept: dict[int, list[bytes]] = {FIRST: [], SECOND: []}
        self.viewers: list[Viewer] = []

    def picture(self, stream: int, data: bytes, now: float, *, key: bool = False) -> None:
        self.kept[stream] = [*([] if key else self.kept[stream]), data]
        for viewer in self.viewers:
            viewer.offer(stream, data, now, key=key)

    def viewer(self, *watched: int, now: float = 0.0) -> Viewer:
        made = Viewer(lambda stream: [*self.kept[stream]])
        self.viewers.append(made)
        made.watch(watched, now)
        return made


def sent(viewer: Viewer, now: float) -> list[bytes]:
    """All that it is sent now."""
    found = []
    while (message := viewer.next(now)) is not None:
        found.append(message.data)
    return found


@pytest.fixture
def streams():
    return Streams()


def test_a_new_viewer_begins_with_the_pictures_since_the_last_key_picture(streams):
    for number, data in enumerate([b"k0", b"p1", b"k2", b"p3"]):
        streams.picture(FIRST, data, number / 30, key=data.startswith(b"k"))
    viewer = streams.viewer(FIRST, now=1.0)
    assert viewer.ready.is_set()
    assert sent(viewer, 1.0) == [b"k2", b"p3"]
    assert not viewer.ready.is_set()
    streams.picture(FIRST, b"p4", 1.1)
    assert viewer.ready.is_set()
    assert sent(viewer, 1.1) == [b"p4"]
    assert viewer.dropped == 0


def test_nothing_comes_that_is_not_watched(streams):
    viewer = streams.viewer(SECOND)
    streams.picture(FIRST, b"k", 0.0, key=True)
    assert sent(viewer, 0.0) == []
    viewer.watch([], 0.0)
    streams.picture(SECOND, b"k", 0.0, key=True)
    assert sent(viewer, 0.0) == []
    assert viewer.dropped == 0


def test_what_is_no_longer_watched_does_not_wait(streams):
    viewer = streams.viewer(FIRST, SECOND)
    sent(viewer, 0.0)
    for stream in (FIRST, SECOND):
        streams.picture(stream, bytes([stream]), 0.0, key=True)
    viewer.watch([SECOND], 0.0)
    assert sent(viewer, 0.0) == [bytes([SECOND])]


def test_the_newest_state_alone_waits_and_comes_before_texts_and_pictures(streams):
    viewer = streams.viewer(FIRST)
    sent(viewer, 0.0)
    streams.picture(FIRST, b"picture", 0.0, key=True)
    viewer.tell([b"track", b"more"])
    assert not viewer.wants_texts
    viewer.show_state(b"old")
    viewer.show_state(b"new")
    assert viewer.next(0.0) == Message(b"new", text=True)
    assert viewer.next(0.0) == Message(b"track", text=True)
    assert viewer.next(0.0) == Message(b"more", text=True)
    assert viewer.wants_texts
    assert viewer.next(0.0) == Message(b"picture", text=False)


def test_a_browser_that_does_not_read_loses_pictures_and_goes_on_at_a_key_picture(streams):
    slow, quick = streams.viewer(FIRST), streams.viewer(FIRST)
    seen = [*sent(quick, 0.0), *sent(slow, 0.0)]
    for number in range(90):
        now = number / 30
        streams.picture(FIRST, b"%d" % number, now, key=number % 30 == 0)
        seen += sent(quick, now)
    assert seen == [b"%d" % number for number in range(90)]
    assert quick.dropped == 0
    got = sent(slow, 3.0)
    assert int(got[0]) % 30 == 0
    assert [int(data) for data in got] == [*range(int(got[0]), 90)]
    assert slow.dropped == 90 - len(got)


def test_a_browser_that_reads_again_need_not_wait_for_the_next_key_picture(streams):
    viewer = streams.viewer(FIRST)
    sent(viewer, 0.0)
    streams.picture(FIRST, b"key", 0.0, key=True)
    for number in range(60):  # no other key picture comes
        streams.picture(FIRST, b"%d" % number, number / 30)
    assert viewer.dropped > BEHIND_AFTER_S * 29
    streams.picture(FIRST, b"60", 2.0)
    assert sent(viewer, 2.0) == [b"key", *(b"%d" % number for number in range(61))]


def test_what_waits_for_a_browser_is_bounded_in_bytes(streams):
    viewer = streams.viewer(FIRST)
    sent(viewer, 0.0)
    large = bytes(1 << 20)
    for number in range(100):
        streams.picture(FIRST, large, number / 1000, key=True)
        assert viewer._bytes <= BYTES_MAX
    assert viewer.dropped >= 100 - BYTES_MAX // len(large)


def test_pictures_that_are_too_many_to_catch_up_with_wait_for_a_key_picture(streams):
    streams.kept[FIRST] = [bytes(BYTES_MAX), b"more"]
    viewer = streams.viewer(FIRST)
    assert sent(viewer, 0.0) == []
    streams.picture(FIRST, b"p", 0.1)
    assert sent(viewer, 5.0) == []
    assert viewer.dropped == 1
    streams.picture(FIRST, b"k", 6.0, key=True)
    assert sent(viewer, 6.0) == [b"k"]


def test_a_decoder_that_begins_again_gets_the_pictures_since_the_key_but_not_without_end(streams):
    streams.picture(FIRST, b"k", 0.0, key=True)
    viewer = streams.viewer(FIRST)
    assert sent(viewer, 0.0) == [b"k"]
    streams.picture(FIRST, b"p", 0.01)
    viewer.again(FIRST, 0.01)
    assert sent(viewer, 0.01) == []
    streams.picture(FIRST, b"q", AGAIN_AFTER_S)
    assert viewer.ready.is_set()
    assert sent(viewer, AGAIN_AFTER_S) == [b"k", b"p", b"q"]


def test_an_answer_to_what_is_not_watched_is_nothing(streams):
    viewer = streams.viewer(FIRST)
    sent(viewer, 0.0)
    viewer.again(SECOND, 1.0)
    viewer.again(12345, 1.0)
    assert sent(viewer, 1.0) == []
