"""`zegel recorder` as a process, with a peer that speaks as `zegel air` does: what flies is on the card, and opens."""

from __future__ import annotations

import os
import select
import signal
import stat

import pytest

from gateway.recording import handover, leaf, paths, pcap
from gateway.recording.group import Group
from gateway.recording.handover import Armed, Clock, Close, Epoch, Wanted
from gateway.recording.leaf import Cut, Gap
from gateway.recording.reason import CloseReason, GapReason
from tests import recorder_peer
from tests.recorder_peer import Air, Peer


@pytest.fixture
def peer(tmp_path):
    with Peer(tmp_path / "card") as peer:
        peer.tell(peer.air.session)
        yield peer


def contents(records) -> list[bytes]:
    return [record.content for record in records]


def test_what_flies_is_on_the_card_and_opens(peer):
    frames, pictures = [], []
    for place in range(30):
        frames += [b"frame %d" % place] * 3
        pictures += [os.urandom(1200) for _ in range(20)]
        peer.put(Group.FLIGHT, frames[-3:])
        peer.put(Group.VIDEO_A, pictures[-20:])
        peer.look(0.05)
    peer.wait(lambda: len(peer.cuts()) >= 1)
    peer.end(Clock(1_800_000_000_000_000))
    assert peer.process.returncode == 0
    found = recorder_peer.read(peer.folder, peer.air)
    assert not found.wrong
    assert contents(found.counted[Group.FLIGHT]) == frames
    assert contents(found.counted[Group.VIDEO_A]) == pictures
    assert not any(found.tails.values())
    assert [type(one).__name__ for one in peer.leaves()[:4]] == ["Open", "Recording", "Recording", "Cut"]
    assert peer.leaves()[-1] == leaf.Close(CloseReason.ENDED)
    *_, last = peer.cuts()
    assert last.utc_us == 1_800_000_000_000_000 + last.end_us
    for group in (Group.FLIGHT, Group.VIDEO_A):
        assert all(cut.start_us <= record.time_ns // 1000 <= cut.end_us for cut, record in _in_cuts(peer, group))


def _in_cuts(peer: Peer, group: Group):
    """(cut, record) of each record of a group."""
    session = paths.session(peer.folder, peer.air.session_id)
    headers = recorder_peer.headers(session, peer.air.key.public_key())
    for cut in peer.cuts():
        for file in (file for file in cut.files if file.group == group):
            path = paths.segment(paths.recording(session, file.rec_id), file.index)
            plain, _ = recorder_peer.opened(path.read_bytes(), headers[file.rec_id], file.index)
            for record in pcap.read(plain, 0 if file.index else len(pcap.FILE_HEADER)):
                yield cut, record


def test_only_its_user_reads_what_it_wrote(peer):
    peer.put(Group.FLIGHT, [b"frame"])
    peer.wait(peer.cuts)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in peer.folder.rglob("*")}
    assert modes == {True: 0o700, False: 0o600}


def test_an_epoch_is_a_new_recording_with_another_key(peer):
    peer.put(Group.FLIGHT, [b"first"])
    peer.tell(Epoch(peer.air.mono_us()))
    peer.put(Group.FLIGHT, [b"second"])
    peer.wait(lambda: len(peer.cuts()) == 2)
    session = paths.session(peer.folder, peer.air.session_id)
    first, second = (cut.files[0] for cut in peer.cuts())
    assert (first.index, second.index) == (0, 0)
    known = recorder_peer.headers(session, peer.air.key.public_key())
    keys = {
        known[one.rec_id].open(recorder_peer.KEY_ID, recorder_peer.Profile.X_WING, recorder_peer.SEED)
        for one in (first, second)
    }
    assert len(keys) == 2
    assert sorted(contents(recorder_peer.read(peer.folder, peer.air).counted[Group.FLIGHT])) == [b"first", b"second"]


def test_disarming_is_a_cut_of_its_own_and_a_leaf(peer):
    peer.put(Group.FLIGHT, [b"flight"])
    peer.tell(Armed(5, True))
    peer.put(Group.FLIGHT, [b"landing"])
    peer.tell(Armed(6, False), Armed(7, False))
    peer.wait(lambda: leaf.Armed(6, False) in peer.leaves())
    kinds = [one for one in peer.leaves() if isinstance(one, (Cut, leaf.Armed))]
    assert [type(one) for one in kinds] == [Cut, leaf.Armed] * 2
    assert [one for one in kinds if isinstance(one, leaf.Armed)] == [leaf.Armed(5, True), leaf.Armed(6, False)]


def test_nothing_of_a_pause_is_recorded_and_a_leaf_says_who_paused(peer):
    everything = list(Group)
    peer.put(Group.VIDEO_A, [b"before"])
    peer.tell(Wanted(1000, [Group.FLIGHT], 3))
    peer.put(Group.VIDEO_A, [b"of the pause"])
    peer.put(Group.FLIGHT, [b"flight"])
    peer.tell(Wanted(2000, everything))
    peer.put(Group.VIDEO_A, [b"after"])
    peer.end()
    found = recorder_peer.read(peer.folder, peer.air)
    assert contents(found.counted[Group.VIDEO_A]) == [b"before", b"after"]
    assert contents(found.counted[Group.FLIGHT]) == [b"flight"]
    videos = tuple(group for group in Group if group != Group.FLIGHT)
    assert [one for one in peer.leaves() if isinstance(one, Gap)] == [
        Gap(videos, 1000, 0, GapReason.PAUSED, 0, 3),
        Gap(videos, 1000, 2000, GapReason.PAUSED, 0, 3),
    ]


def test_air_gone_ends_the_segments_and_says_so(peer):
    peer.put(Group.FLIGHT, [b"a frame"])
    peer.wait(peer.cuts)
    peer.put(Group.FLIGHT, [b"the last frame"])
    peer.close()
    assert contents(recorder_peer.read(peer.folder, peer.air).counted[Group.FLIGHT]) == [b"a frame", b"the last frame"]
    assert peer.leaves()[-1] == leaf.Close(CloseReason.GONE)


def test_what_air_says_last_is_heard_although_it_left_without_reading_its_answers(peer):
    """The system then tells the recorder of a reset before it gives what was sent earlier (unix(7))."""
    peer.put(Group.FLIGHT, [b"a frame"])
    peer.wait(peer.cuts)
    peer.look()
    assert select.select([peer.socket], [], [], recorder_peer.SOON_S)[0], "an answer that is not read"
    os.kill(peer.process.pid, signal.SIGSTOP)
    peer.socket.send(recorder_peer.data(Group.FLIGHT, [b"the last frame"], peer.air.mono_us()))
    peer.tell(Close(peer.air.mono_us(), CloseReason.ENDED))
    peer.socket.close()
    os.kill(peer.process.pid, signal.SIGCONT)
    peer.close()
    assert contents(recorder_peer.read(peer.folder, peer.air).counted[Group.FLIGHT]) == [b"a frame", b"the last frame"]
    assert peer.leaves()[-1] == leaf.Close(CloseReason.ENDED)


def test_a_change_of_order_ends_a_session_and_begins_the_next(peer):
    peer.put(Group.FLIGHT, [b"first"])
    peer.wait(peer.cuts)
    first, peer.air = peer.air, Air(boots=2)
    peer.tell(peer.air.session)
    peer.put(Group.FLIGHT, [b"second"])
    peer.wait(peer.cuts)
    assert recorder_peer.leaves(peer.folder, first.session_id)[-1] == leaf.Close(CloseReason.OTHER_ORDER)
    for air, content in ((first, b"first"), (peer.air, b"second")):
        assert contents(recorder_peer.read(peer.folder, air).counted[Group.FLIGHT]) == [content]


def test_a_recorder_that_was_killed_goes_on_in_the_same_session(peer):
    peer.put(Group.FLIGHT, [b"before"])
    peer.wait(peer.cuts)
    before = peer.leaves()
    os.kill(peer.process.pid, signal.SIGKILL)
    peer.restart()
    peer.put(Group.FLIGHT, [b"after"], lost=5)
    peer.wait(lambda: len(peer.cuts()) >= 2)
    assert peer.leaves()[: len(before)] == before
    begin, end = (one for one in peer.leaves() if isinstance(one, Gap))
    assert (begin.reason, begin.to_us, begin.from_us) == (GapReason.RECORDER_RESTARTED, 0, peer.cuts()[0].end_us)
    assert (end.from_us, end.lost) == (begin.from_us, 5)
    assert end.to_us > end.from_us
    found = recorder_peer.read(peer.folder, peer.air)
    assert (contents(found.counted[Group.FLIGHT]), found.wrong) == ([b"before", b"after"], [])
    assert len({file.rec_id for cut in peer.cuts() for file in cut.files}) == 2


def test_without_a_signature_nothing_counts_and_with_it_all_does(tmp_path):
    with Peer(tmp_path / "card", signs=False) as peer:
        peer.tell(peer.air.session)
        peer.put(Group.FLIGHT, [b"frame"])
        peer.look(2.5)
        assert not peer.cuts()
        peer.signs = True
        peer.wait(peer.cuts)
        assert contents(recorder_peer.read(peer.folder, peer.air).counted[Group.FLIGHT]) == [b"frame"]


@pytest.mark.parametrize(
    "message",
    [
        b"\x00",
        b"\x01",
        b"\x03\x01",
        handover.HEAD.pack(handover.DATA, 1, 0, 0),
        recorder_peer.data(Group.FLIGHT, [bytes(60_000)] * 2, 1),
        handover.HEAD.pack(handover.DATA, 9, 0, 0) + bytes(100),
        handover.encode(handover.Signed(b"x", b"y")),
        handover.encode(handover.Close(1, 99)),
        handover.encode(Air().session)[:-50],
        bytes([handover.STRUCTURE]) + b"\x90" * 5000,
    ],
    ids=(
        *("no kind", "a kind alone", "another kind", "no record", "too long", "no group", "nothing asked", "no reason"),
        *("cut", "nested"),
    ),
)
def test_what_air_does_not_say_is_refused_and_the_recorder_goes_on(peer, message):
    peer.socket.send(message)
    peer.put(Group.FLIGHT, [b"frame"])
    peer.wait(peer.cuts)
    assert contents(recorder_peer.read(peer.folder, peer.air).counted[Group.FLIGHT]) == [b"frame"]


def test_a_link_or_a_pipe_that_somebody_plants_is_not_followed_and_not_waited_for(peer):
    """Where others may write to the folder of recordings, as on a card without owners."""
    peer.put(Group.FLIGHT, [b"before"])
    peer.wait(peer.cuts)
    session, elsewhere = paths.session(peer.folder, peer.air.session_id), peer.folder.parent / "elsewhere"
    elsewhere.mkdir()
    moved = session.rename(peer.folder / "moved")
    session.symlink_to(elsewhere)
    peer.put(Group.FLIGHT, [b"link"])
    peer.wait(lambda: peer.said[-1].reason == GapReason.CARD_FAILED)
    assert not [*elsewhere.iterdir()]
    session.unlink()
    moved.rename(session)
    (recording,) = session.glob("rec-*")
    peer.wait(lambda: peer.said[-1].reason == 0 and len(peer.cuts()) == 2)
    pipes = [recording / f"{number:08d}.cbl" for number in range(2, 8)]
    for pipe in pipes:
        os.mkfifo(pipe)
    peer.put(Group.FLIGHT, [b"pipe"])
    peer.wait(lambda: peer.said[-1].reason == GapReason.CARD_FAILED)
    for pipe in pipes:
        pipe.unlink()
    peer.end()
    found = recorder_peer.read(peer.folder, peer.air)
    assert contents(found.counted[Group.FLIGHT]) == [b"before", b"link", b"pipe"]
    assert not found.wrong


def test_the_folder_of_the_settings_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "card").symlink_to(tmp_path / "disk")
    with Peer(tmp_path / "card") as peer:
        peer.tell(peer.air.session)
        peer.put(Group.FLIGHT, [b"frame"])
        peer.wait(peer.cuts)
