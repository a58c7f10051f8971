"""Power is cut while a recorder writes to a real ext4: each cut that counted is whole, and nothing raises.

The image of the card is copied at random moments, half of them while the card is being written; each copy is mounted, first
as it is and then with its journal, and read. Every write that reached the device is kept here; tests/disk_model.py has
those that a device forgets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from gateway.errors import CardError
from gateway.recording import opened
from gateway.recording.damage import Damage
from gateway.recording.group import Group
from gateway.recording.handover import Armed, Epoch
from gateway.recording.leaf import Cut
from gateway.recording.opened import Session
from gateway.recording.pcap import Record
from gateway.recording.segment_keys import OfKey
from keys.grant import Profile
from tests import recorder_peer
from tests.recorder_peer import Peer
from tests.system.ext4_card import Ext4Card, Shelf, mounted, run

MOMENTS = 200
GROUPS = (Group.FLIGHT, Group.VIDEO_A)
TURN_S = 0.01
BUSY_S = 0.02  # about as long as a cut takes
TAIL = {Damage.TAIL_BROKEN, Damage.HEADER_LOST, Damage.SEGMENT_LOST}  # of what does not count yet


@dataclasses.dataclass
class Copy:
    """Of the card at one moment. `counted`: bytes that the recorder had told before."""

    image: Path
    counted: int
    busy: bool


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(tmp_path / "shelf")
    yield made
    made.remove()


def test_what_counts_is_whole_after_a_power_cut(shelf: Shelf, tmp_path: Path, figure: Callable[[str], None]):
    cut_the_power(10, shelf, tmp_path, figure)


@pytest.mark.soak
def test_what_counts_is_whole_after_each_of_many_power_cuts(shelf: Shelf, tmp_path: Path, figure: Callable[[str], None]):
    cut_the_power(MOMENTS, shelf, tmp_path, figure)


def cut_the_power(moments: int, shelf: Shelf, tmp_path: Path, figure: Callable[[str], None]) -> None:
    card = Ext4Card(tmp_path / "card", image=shelf.folder / "card.img")
    try:
        with Peer(card.folder / "recordings") as peer:
            copies = record(peer, card, moments)
    finally:
        card.remove()
    tails = sum(check(copy, peer, tmp_path / "mounted") for copy in copies)
    busy = sum(copy.busy for copy in copies)
    figure(f"ext4: power cut {moments} times, {busy} of them in a write; {tails} records of tails opened")
    assert busy >= moments // 3
    assert sum(copy.counted > 0 for copy in copies) >= moments // 2


# --- recording ---


def record(peer: Peer, card: Ext4Card, moments: int) -> list[Copy]:
    chance, copies = random.Random(17), list[Copy]()
    numbers = {group: itertools.count() for group in GROUPS}
    peer.tell(peer.air.session)
    for moment in range(moments):
        for _ in range(chance.randrange(60)):
            put(peer, numbers, chance)
        before = card.written()
        busy = moment % 2 == 0
        while busy and card.written() == before:
            put(peer, numbers, chance)
        counted = peer.said[-1].bytes_written if peer.said else 0
        time.sleep(chance.uniform(0.0, BUSY_S) if busy else 0.0)
        copies.append(Copy(Shelf.copy(card.image, f"copy-{moment}.img"), counted, busy))
    return copies


def put(peer: Peer, numbers: dict[Group, Iterator[int]], chance: random.Random) -> None:
    for group, sizes in zip(GROUPS, ((60,), (1200, 1200, 16_000)), strict=True):
        peer.put(group, [next(numbers[group]).to_bytes(4, "big") + chance.randbytes(size) for size in sizes])
    if chance.random() < 0.01:
        mono_us = peer.air.mono_us()
        peer.tell(chance.choice((Epoch(mono_us), Armed(mono_us, True), Armed(mono_us, False))))
    peer.look(TURN_S)


# --- what a copy holds ---


def check(copy: Copy, peer: Peer, folder: Path) -> int:
    """Records behind the last cut that open."""
    folder.mkdir(exist_ok=True)
    try:
        with on(folder, copy, "-o", "ro,noload"):  # as the hint of gateway.recording.card has it
            seen = read_all(folder / "recordings", peer)
        with on(folder, copy):
            tail = check_session(folder / "recordings", copy, peer)
            counted = contents(recorder_peer.read(folder / "recordings", peer.air).counted)
        assert counted <= seen, "what counts opens without the journal too, the last cut as a tail"
    finally:
        copy.image.unlink()
    return tail


@contextlib.contextmanager
def on(folder: Path, copy: Copy, *options: str) -> Iterator[None]:
    mounted(copy.image, folder, *options)
    try:
        yield
    finally:
        run("umount", folder)


def contents(found: Mapping[Group, list[Record]]) -> set[bytes]:
    return {record.content for records in found.values() for record in records}


def read_all(card: Path, peer: Peer) -> set[bytes]:
    """By both readers, of which none raises."""
    found = recorder_peer.read(card, peer.air)
    with contextlib.suppress(CardError):
        (session,) = opened.sessions(card)
        assert {record.content for record in session.records(OfKey(Key()), Group)} >= contents(found.counted)
    return contents(found.counted) | contents(found.tails)


def check_session(card: Path, copy: Copy, peer: Peer) -> int:
    found = recorder_peer.read(card, peer.air)
    assert not found.wrong
    cuts = [one for one in recorder_peer.leaves(card, peer.air.session_id) if isinstance(one, Cut)]
    assert sum(file.length for cut in cuts for file in cut.files) >= copy.counted
    with contextlib.suppress(CardError):
        (session,) = opened.sessions(card)
        check_reader(session, found)
    for group in GROUPS:
        counted, tail = ([number(one.content) for one in each[group]] for each in (found.counted, found.tails))
        assert sorted(counted) == [*range(len(counted))], "nothing is missing, and nothing is twice"
        assert sorted(tail) == [*range(len(counted), len(counted) + len(tail))], "a tail follows what counts"
    return sum(map(len, found.tails.values()))


def check_reader(session: Session, found: recorder_peer.Read) -> None:
    """The reader of the product sees the same."""
    key = OfKey(Key())
    assert all(session.check(segment) for segment in session.segments if segment.leaf)
    for group in GROUPS:
        records = [record.content for record in session.records(key, [group])]
        assert sorted(records) == sorted(one.content for each in (found.counted, found.tails) for one in each[group])
    assert {*session.damage.counts()} <= TAIL


def number(content: bytes) -> int:
    return int.from_bytes(content[:4], "big")


class Key:
    """The recording key of the peer's order."""

    profile, seed = Profile.X_WING, recorder_peer.SEED
