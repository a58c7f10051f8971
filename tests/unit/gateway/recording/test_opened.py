"""A card is opened as far as it is whole, and nothing is raised for the rest. SPEC.md sections 8 and 9."""

from __future__ import annotations

import dataclasses
import os
import random
import shutil
from pathlib import Path

import pytest

from gateway.errors import CardError
from gateway.recording import opened, opening, sequence
from gateway.recording.damage import Damage
from gateway.recording.group import Group
from gateway.recording.index import Segment
from gateway.recording.opened import Session
from gateway.recording.segment_keys import OfFile, OfKey, disclosed
from tests import cards
from tests.agency import Agency, harbour
from tests.cards import FLIGHT, KEY, OTHER_KEY, VIDEO_A, S

SECOND_NS = 1_000_000_000


def the_session(card: Path, **more) -> Session:
    return opened.sessions(card, **more)[-1]


def held_by(session: Session, key: cards.Key = KEY, groups=tuple(Group), from_ns: int = 0, to_ns: int = 1 << 62):
    return list(map(tuple, session.records(OfKey(key), groups, from_ns, to_ns)))


def damage(session: Session) -> dict[Damage, int]:
    return dict(session.damage.counts())


@pytest.fixture
def flight(tmp_path: Path):
    """Two epochs of telemetry and video: the session, what is in it, and its card."""
    written, held = cards.flight(tmp_path)
    return written, held, tmp_path


def test_the_key_opens_all_of_it_by_time(flight):
    _, held, card = flight
    session = the_session(card)
    found = held_by(session)
    assert sorted(found) == sorted(held)
    assert [time for time, *_ in found] == sorted(time for time, *_ in held)
    assert session.groups == session.opens(OfKey(KEY)) == [Group.FLIGHT, Group.VIDEO_A]
    assert damage(session) == {}


def test_another_key_opens_nothing_and_is_told_whose_would(flight):
    *_, card = flight
    session = the_session(card)
    assert held_by(session, OTHER_KEY) == []
    assert damage(session) == {Damage.NOT_OPENED: 20}
    with pytest.raises(CardError, match="opens nothing") as refused:
        session.require_opens(OfKey(OTHER_KEY), session.groups)
    assert "'archive-0'" in refused.value.hint


def test_each_recording_key_of_the_order_opens_it(tmp_path):
    p384 = cards.Key(cards.Profile.P_384, bytes(47) + b"\5")
    _, held = cards.flight(tmp_path, cards.order_with(KEY, p384))
    for key in (KEY, p384):
        assert len(held_by(the_session(tmp_path), key)) == len(held)


@pytest.mark.parametrize(("begin", "end"), [(0, 3), (5.5, 5.6), (9.9, 10.1), (19.99, 30), (20, 30), (3, 3)])
def test_only_what_is_asked_for_is_read(flight, begin, end):
    _, held, card = flight
    first, last = round(begin * SECOND_NS), round(end * SECOND_NS)
    wanted = sorted(entry for entry in held if first <= entry[0] < last and entry[1] == 5600)
    session = the_session(card)
    assert held_by(session, groups=[Group.VIDEO_A], from_ns=first, to_ns=last) == wanted
    opens = [segment.index for segment in session.between(Group.VIDEO_A, first, last)]
    assert len(opens) <= (end - begin) / 2 + 2


def test_going_back_is_possible(flight):
    _, held, card = flight
    session, keys = the_session(card), OfKey(KEY)
    late = [*session.records(keys, [Group.FLIGHT], 18 * SECOND_NS)]
    early = [*session.records(keys, [Group.FLIGHT], 0, 2 * SECOND_NS)]
    assert {*map(tuple, late), *map(tuple, early)} <= {*held}
    assert (len(late), len(early)) == (20, 20)


def test_segment_keys_of_video_open_video_alone(flight):
    _, held, card = flight
    session, keys = the_session(card), OfKey(KEY)
    places = [(segment.place, segment) for segment in session.of(Group.VIDEO_A) if segment.start_us < 10 * S]
    file = disclosed("", "video A", [(place, keys.key(session.headers[place[0]], place[1])) for place, _ in places])
    only = OfFile.decode(file, "file")
    assert session.opens(only) == [Group.VIDEO_A]
    found = [tuple(record) for record in session.records(only, Group)]
    assert found == sorted(entry for entry in held if entry[1] == 5600 and entry[0] < 10 * SECOND_NS)
    for wrong in (b"", b"{}", file.replace(b'"0"', b'"x"'), file[:-3], file.replace(file[-80:-70], b"")):
        with pytest.raises(CardError, match="holds no segment keys"):
            OfFile.decode(wrong, "file")


def test_a_lost_header_is_taken_from_its_copy_and_both_lost_cost_that_recording(flight):
    written, held, card = flight
    lost, *others = sorted(written.folder.glob("rec-*"))
    (lost / "header.cose").unlink()
    changed = others[0] / "header.cose"
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    session = the_session(card)
    assert sorted(held_by(session)) == sorted(held)
    assert damage(session) == {Damage.HEADER_COPIED: 2}
    written.write("headers.cbor", b"")
    session = the_session(card)
    found = held_by(session)
    assert damage(session) == {Damage.HEADER_LOST: 2}
    assert 0 < len(found) < len(held)


def test_a_header_that_this_session_did_not_sign_opens_nothing(tmp_path):
    written, _ = cards.flight(tmp_path / "a")
    other = cards.Session(tmp_path / "b", boot=2)
    for folder in written.folder.glob("rec-*"):
        payload = cards.cbor([0])
        (folder / "header.cose").write_bytes(other.signed(payload))
    written.write("headers.cbor", b"")
    session = the_session(tmp_path / "a")
    assert session.headers == {}
    assert held_by(session) == []


@pytest.mark.parametrize(("size", "more"), [(0, b""), (700, b""), (0, bytes(5000)), (16_399, b"x" * 20_000)])
def test_a_torn_tail_opens_up_to_the_first_bad_chunk_and_a_cut_record_is_dropped(tmp_path, size, more):
    written = cards.Session(tmp_path)
    recording = written.recording(VIDEO_A)
    written.cut(0, 2 * S, {recording: cards.entries(VIDEO_A, 0, 2 * S, 20_000)})
    tail = cards.entries(VIDEO_A, 2 * S, 4 * S, 20_000)
    written.tail(recording, tail, 56 + 3 * 16_400 + size, more)
    session = the_session(tmp_path)
    found = [entry for entry in held_by(session) if entry[0] >= 2 * SECOND_NS]
    assert found == tail[: 3 * 16_384 // len(cards.pcap(tail[0]))]
    assert damage(session) == {Damage.TAIL_BROKEN: 1}


def test_a_record_that_is_cut_at_the_end_of_a_segment_is_left_out(tmp_path):
    written = cards.Session(tmp_path)
    recording = written.recording(FLIGHT)
    held = cards.entries(FLIGHT, 0, S, 100_000)
    recording.path(0).write_bytes(recording.segment(held, cut_record=cards.pcap(held[0])[:-1]))
    session = the_session(tmp_path)
    assert held_by(session) == held
    assert damage(session) == {}


def test_bytes_that_are_no_record_end_their_segment(tmp_path):
    written = cards.Session(tmp_path)
    recording = written.recording(FLIGHT)
    held = cards.entries(FLIGHT, 0, S, 100_000)
    for index, more in enumerate((bytes(60), cards.pcap((5, 5600, b"a picture among telemetry")))):
        recording.path(index).write_bytes(recording.segment(held, cut_record=more))
    session = the_session(tmp_path)
    assert held_by(session) == [*held, *held]
    assert damage(session) == {Damage.RECORDS_BROKEN: 2}


def test_what_is_broken_lost_or_changed_is_counted_and_the_rest_opens(flight):
    written, held, card = flight
    first, second, third, *_ = sorted(written.folder.glob("rec-*/0*.cbl"))
    first.unlink()
    data = second.read_bytes()
    second.write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    third.write_bytes(third.read_bytes() + b"x")
    session = the_session(card)
    found = held_by(session)
    assert {*found} < {*held}
    assert damage(session) == {Damage.SEGMENT_LOST: 1, Damage.SEGMENT_BROKEN: 2}
    assert sum(map(session.check, session.segments)) == len(session.segments) - 3
    assert damage(session)[Damage.SEGMENT_CHANGED] == 2


def test_every_hash_of_a_whole_card_matches(flight):
    session = the_session(flight[2])
    assert all(map(session.check, session.segments))
    assert len(session.segments) == 20


def test_without_its_log_a_session_opens_too(flight):
    written, held, card = flight
    for log in (b"", bytes(4096), written.folder.joinpath("leaves.cbor").read_bytes()[:1000]):
        written.write("leaves.cbor", log)
        assert sorted(held_by(the_session(card))) == sorted(held)


@pytest.mark.parametrize("begin", [0, 1.5, 2, 77.77, 78, 100, 159.99, 161])
@pytest.mark.parametrize("kept", [0, 1500])
@pytest.mark.parametrize("broken", [(), (12, 13, 14, 15, 16, 17), range(1, 20)], ids=["whole", "some", "most"])
def test_without_its_log_the_middle_is_found_without_reading_what_precedes(tmp_path, monkeypatch, begin, kept, broken):
    """By the first records of some segments; where none of them opens, reading begins earlier."""
    written, held = cards.flight(tmp_path, seconds=160, epoch_s=40)
    written.write("leaves.cbor", written.folder.joinpath("leaves.cbor").read_bytes()[:kept])
    for folder in written.folder.glob("rec-*"):
        for index in broken:
            folder.joinpath(f"{index:08d}.cbl").write_bytes(bytes(200))
    session, read = the_session(tmp_path), []
    plaintext = session.plaintext

    def counted(keys: OfKey, segment: Segment):
        read.append(segment)
        return plaintext(keys, segment)

    monkeypatch.setattr(session, "plaintext", counted)
    first = round(begin * SECOND_NS)
    wanted = [entry for entry in held if entry[1] == 14550 and first <= entry[0] < first + 10 * SECOND_NS]
    wanted = [entry for entry in wanted if entry[0] // (2 * SECOND_NS) % 20 not in broken]
    assert held_by(session, groups=[Group.FLIGHT], from_ns=first, to_ns=first + 10 * SECOND_NS) == wanted
    assert broken or len(read) <= 16, "of 80"


def test_without_order_or_statement_it_opens_and_what_is_not_proved_is_said(flight):
    written, held, card = flight
    assert the_session(card, roots=[harbour().root]).proof.missing == ()
    assert the_session(card, roots=[harbour().root]).proof.signed_by.startswith("signed for 'Harbour Police'")
    assert "not of this agency" in the_session(card, roots=[Agency().root]).proof.missing[0]
    kept = (written.folder / "order.cose").read_bytes()
    for name, said in (("order.cose", "order is not on the card"), ("ss.cose", "statement is not on the card")):
        (written.folder / name).unlink()
        session = the_session(card)
        assert any(said in line for line in session.proof.missing)
        assert len(held_by(session)) == len(held)
    written.write("order.cose", kept)
    for message, said in ((b"\xd2\x84", "damaged"), (_statement_of(card.parent / "other"), "of another session")):
        written.write("ss.cose", message)
        assert any(said in line for line in the_session(card).proof.missing)


def _statement_of(card: Path) -> bytes:
    return (cards.Session(card, boot=9).folder / "ss.cose").read_bytes()


def test_a_statement_that_no_aircraft_of_the_order_signed_proves_nothing(tmp_path):
    written, _ = cards.flight(tmp_path)
    other = cards.Session(tmp_path / "other", cards.order_with(KEY, serial=8))
    written.write("order.cose", (other.folder / "order.cose").read_bytes())
    assert "another order" in the_session(tmp_path / written.folder.name).proof.missing[-1]
    message = (written.folder / "ss.cose").read_bytes()
    written.write("ss.cose", message[:-1] + bytes([message[-1] ^ 1]))
    assert "no aircraft of the order signed" in the_session(tmp_path / written.folder.name).proof.missing[-1]


def test_the_last_start_is_the_last_and_a_card_may_be_its_root_or_a_copy(tmp_path):
    place = tmp_path / "var/lib/zegel/recordings"
    ids = [cards.flight(place, seconds=2, boot=boot)[0].id for boot in (2, 3, 1)]
    by_start = [ids[2], ids[0], ids[1]]
    for card in (tmp_path, place):
        assert [session.id for session in opened.sessions(card)] == by_start
    shutil.copytree(place, tmp_path / "copies/of-monday")
    assert [session.id for session in opened.sessions(tmp_path / "copies")] == by_start
    alone = next(place.glob("session-*"))
    assert [session.folder for session in opened.sessions(alone)] == [alone]


def test_what_is_no_card_is_told(tmp_path):
    image = tmp_path / "card.img"
    image.write_bytes(bytes(100))
    for path, said in ((image, "not a folder"), (tmp_path / "none", "does not exist"), (tmp_path, "holds no recording")):
        with pytest.raises(CardError, match=said):
            opened.sessions(path)


def test_nothing_is_written_on_the_card(flight):
    *_, card = flight
    for path in card.rglob("*"):
        os.utime(path, (1, 1))
    before = _tree(card)
    session = the_session(card)
    assert all(map(session.check, session.segments))
    assert held_by(session)
    assert _tree(card) == before


def _tree(card: Path) -> dict[str, tuple[int, ...]]:
    return {
        str(path): (info.st_size, info.st_mtime_ns, info.st_atime_ns, info.st_ctime_ns, info.st_mode)
        for path in card.rglob("*")
        for info in [path.lstat()]
    }


def test_what_is_no_plain_file_is_not_read(flight):
    written, held, card = flight
    recordings = sorted(written.folder.glob("rec-*"))
    (recordings[0] / "00000000.cbl").unlink()
    os.mkfifo(recordings[0] / "00000000.cbl")
    target = recordings[1] / "00000000.cbl"
    target.rename(card / "elsewhere")
    target.symlink_to(card / "elsewhere")
    (written.folder / "leaves.cbor").unlink()
    (written.folder / "leaves.cbor").mkdir()
    (recordings[2] / "99999999999.cbl").write_bytes(b"")
    (written.folder / "rec-zz").mkdir()
    session = the_session(card)
    assert len(held_by(session)) < len(held)
    assert damage(session) == {Damage.UNREADABLE: 3}


def test_what_a_card_claims_and_does_not_have_costs_nothing(tmp_path, monkeypatch):
    """Files with holes: as long as no card is, of which a card has not one byte."""
    written, held = cards.flight(tmp_path)
    (segment, *_) = (each for each in the_session(tmp_path).segments if each.leaf)
    huge = dataclasses.replace(segment, leaf=dataclasses.replace(segment.leaf, length=1 << 43))
    with the_session(tmp_path).path(segment).open("ab") as file:
        file.truncate(1 << 43)
    with (written.folder / "headers.cbor").open("ab") as copies:
        copies.truncate(1 << 43)
    monkeypatch.setattr(sequence, "items", _few(sequence.items))
    monkeypatch.setattr(opening, "sha256", lambda *_: pytest.fail("a segment that no aircraft writes is read"))
    session = the_session(tmp_path)
    assert not session.check(huge)
    assert damage(session) == {Damage.SEGMENT_CHANGED: 1}
    assert len(held_by(session)) > len(held) // 2


def _few(items):
    def few(data):
        for number, item in enumerate(items(data)):
            assert number < 1000, "what a hole gives is taken for headers"
            yield item

    return few


def test_a_link_that_is_named_as_a_session_is_none(tmp_path):
    written, _ = cards.flight(tmp_path)
    (tmp_path / f"session-{'1' * 32}").symlink_to("/")
    (tmp_path / f"session-{'2' * 32}").symlink_to(written.folder)
    assert [session.id for session in opened.sessions(tmp_path)] == [written.id]


@pytest.mark.parametrize("seed", range(40))
def test_a_changed_card_gives_some_of_its_records_and_no_others(tmp_path, seed):
    written, held = cards.flight(tmp_path, seconds=4)
    draw = random.Random(seed)
    for path in draw.sample(sorted(path for path in written.folder.rglob("*") if path.is_file()), 3):
        data = bytearray(path.read_bytes())
        match draw.randrange(3):
            case 0:
                data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
            case 1:
                del data[draw.randrange(len(data)) :]
            case _:
                at = draw.randrange(len(data))
                data[at : at + 600] = draw.randbytes(600)
        path.write_bytes(data)
    session = the_session(tmp_path)
    assert {*held_by(session)} <= {*held}
    for segment in session.segments:
        session.check(segment)
