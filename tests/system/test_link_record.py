"""What comes by the links of a real ground is kept sealed, and opens later with its station folder, and with no other."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import stat
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from firmware_shims import tlog
from gateway.batch import Batch
from gateway.demo.stage import HOST, Listener, Program, drain, port_of, run_until, udp_socket
from gateway.errors import CardError
from gateway.recording import arguments, pcap
from gateway.recording.damage import Damages
from gateway.recording.group import Group, Port
from gateway.recording.link import form, reading, writer
from gateway.recording.link import session as link
from gateway.recording.link.form import Lost, Start
from gateway.recording.link.index import Mark
from gateway.recording.link.reading import Place
from gateway.recording.link.session import LinkSession, OfStation
from gateway.recording.link.stage import LinkStage
from gateway.recording.pcap import Record
from gateway.recording.reason import GapReason
from gateway.recording.segment_keys import OfKey
from keys.errors import KeysError, MissingFile
from keys.folders.station import StationFolder
from tests.system.card import Card
from tests.system.house import zegel
from tests.system.recorded import EVERY_S, RecordedFlight
from tests.system.test_order_change import amend, load
from tests.unit.gateway.recording.test_play import Played


class KeptFlight(RecordedFlight):
    """Each station records what it receives into a folder of its own. `roles`: in another order than the usual one."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("pilot",), roles: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, names)
        if roles:
            self.air.end()
            self.house.load(roles)
            self.start_air()
        for name, station in self.stations.items():
            station.program.end()
            station.close()
            self.stations[name] = Listener(name, folder, self.house.order, ("--record", str(self.kept(name))))
        self.radio.listeners = [station.port for station in self.stations.values()]

    def land(self) -> None:
        """The aircraft ends, and what is on its way arrives."""
        self.air.end()
        self.run(0.5)

    def kept(self, name: str = "pilot") -> Path:
        return self.house.folder / f"kept-{name}"

    def station(self, name: str = "pilot") -> OfStation:
        return OfStation(StationFolder.open(self.house.folder / name))

    def sessions(self, name: str = "pilot") -> list[LinkSession]:
        return link.sessions(self.kept(name))

    def records(self, name: str = "pilot") -> list[Record]:
        return [record for session in self.sessions(name) for record in session.records(self.station(name), session.groups)]


def of(records: list[Record], port: Port) -> list[bytes]:
    return [record.content for record in records if record.port == port]


def require_kept(flight: KeptFlight, station: Listener) -> None:
    """The recording holds what this station delivered, in its order, and nothing else."""
    records = flight.records()
    assert of(records, Port.VIDEO_A) == station.packets
    assert of(records, Port.TELEMETRY) == station.frames


@pytest.fixture(scope="module")
def flown(tmp_path_factory: pytest.TempPathFactory) -> KeptFlight:
    """A flight of some seconds to a pilot and an observer without pictures, which is over."""
    folder = tmp_path_factory.mktemp("flown")
    flight = KeptFlight(folder, ("pilot", "observer"))
    try:
        flight.wait_open()
        flight.run(3.0)
        flight.land()
    finally:
        flight.end()
    return flight


def test_what_opens_later_is_what_the_ground_delivered_byte_for_byte_and_in_order(flown: KeptFlight):
    for name, station in flown.stations.items():
        records = flown.records(name)
        assert of(records, Port.VIDEO_A) == station.packets != []
        assert of(records, Port.TELEMETRY) == station.frames != []
        assert [each.time_ns for each in records] == sorted(each.time_ns for each in records)
        (session,) = flown.sessions(name)
        assert session.damage.lines() == []


def test_the_files_are_for_their_owner_alone_and_hold_the_datagrams_as_they_came(flown: KeptFlight):
    files = sorted(flown.kept().iterdir())
    assert [stat.S_IMODE(path.stat().st_mode) for path in files] == [0o600] * len(files)
    data = b"".join(path.read_bytes() for path in files if path.suffix == ".pcap")
    came = flown.radio.capture[-200:]
    assert [datagram for datagram in came if datagram not in data] == []
    assert b"picture" not in data


def test_lanes_that_a_station_may_not_read_are_absent_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    flight = KeptFlight(tmp_path, ("observer",), roles={"pilot": "telemetry,video,command", "observer": "telemetry"})
    try:
        flight.wait_open()
        flight.run(1.0)
        flight.land()
    finally:
        flight.end()
    (session,) = flight.sessions("observer")
    station = flight.station("observer")
    assert session.groups == [Group.FLIGHT, Group.VIDEO_A]
    assert session.opens(station) == session.require_opens(station, Group) == [Group.FLIGHT]
    records = [*session.records(station, Group)]
    assert of(records, Port.TELEMETRY) == flight.stations["observer"].frames != []
    assert of(records, Port.VIDEO_A) == []
    args = Namespace(
        card=flight.kept("observer"), station=tmp_path / "observer", order=None, root=None, session=None,
        lanes=tuple(Group), segment_keys=None,
    )  # fmt: skip
    assert arguments.session(args).id == session.id
    assert capsys.readouterr().out == "absent: video-a, which this station may not read by its order\n"


def test_it_plays_as_if_it_were_live(flown: KeptFlight):
    played = Played(flown.kept(), "--station", flown.house.folder / "pilot", "--speed", 4)
    try:
        assert played.ended() == 0
        records = flown.records()
        assert played.received(0) == of(records, Port.TELEMETRY) != []
        assert played.received(1) == of(records, Port.VIDEO_A) != []
    finally:
        played.close()


def test_another_station_and_a_destroyed_one_open_nothing(flown: KeptFlight, tmp_path: Path):
    (session,) = flown.sessions()
    folder = flown.house.folder
    with pytest.raises(KeysError, match="does not list this station"):
        session.opens(flown.station("visitor"))
    with pytest.raises(CardError, match="folder of its station"):
        session.require_opens(OfKey(flown.key), Group)
    assert [*session.records(flown.station("observer"), Group)] != [], "it is in the order, so it may"
    shutil.copytree(folder, tmp_path / "copy")
    zegel("station", "destroy", tmp_path / "copy/pilot", "--yes")
    with pytest.raises(MissingFile, match="has been destroyed"):
        StationFolder.open(tmp_path / "copy/pilot")


def test_a_station_of_the_same_name_and_another_seed_is_refused(flown: KeptFlight, tmp_path: Path):
    zegel("station", "init", tmp_path / "pilot", "--name", "pilot", "--root", flown.house.folder / "agency/root/root.crt")
    (session,) = flown.sessions()
    with pytest.raises(KeysError, match="does not list this station"):
        session.require_opens(OfStation(StationFolder.open(tmp_path / "pilot")), Group)


def test_a_folder_is_listed_without_a_key(flown: KeptFlight):
    said = zegel("recording", "list", flown.kept())
    (session,) = flown.sessions()
    assert f"session {session.id.hex()}" in said
    assert "aircraft 'drone-7', start 1, operation 'Night Watch' of 'Harbour Police', order 1" in said
    assert "flight " in said
    assert "video-a " in said
    assert "the aircraft ended it" in said
    assert "kept by a station as it came by the link" in said
    found = json.loads(zegel("recording", "list", flown.kept(), "--json"))
    assert [group["group"] for group in found["sessions"][0]["groups"]] == ["flight", "video-a"]


def test_only_what_is_asked_for_is_read(flown: KeptFlight):
    (session,) = flown.sessions()
    station = flown.station()
    whole = [*session.records(station, [Group.VIDEO_A])]
    middle = whole[len(whole) // 2].time_ns
    assert [*session.records(station, [Group.VIDEO_A], middle)] == [each for each in whole if each.time_ns >= middle]
    assert [*session.records(station, [Group.VIDEO_A], 0, middle)] == [each for each in whole if each.time_ns < middle]


def test_what_the_link_lost_or_a_ground_that_did_not_run_missed_is_not_there_and_all_else_is(tmp_path: Path):
    """Each third datagram is lost on the way; the ground is killed, and started again later."""
    flight = KeptFlight(tmp_path)
    sent, send = [0], flight.radio.send

    def lossy(datagram: bytes) -> None:
        sent[0] += 1
        if sent[0] % 3:
            send(datagram)

    flight.radio.send = lossy  # type: ignore[method-assign]
    station = flight.stations["pilot"]
    try:
        flight.wait_open()
        assert flight.until(lambda: len(station.packets) > 50)
        flight.run(1.0)  # what was received is written a few times a second
        station.program.kill()
        flight.run(0.5)
        station.take()
        station.start()
        flight.wait_open(2)
        count = len(station.packets)
        assert flight.until(lambda: len(station.packets) > count + 50)
        flight.land()
    finally:
        flight.end()
    (session,) = flight.sessions()
    records = flight.records()
    assert not Counter(of(records, Port.VIDEO_A)) - Counter(station.packets)
    missing = Counter(station.packets) - Counter(of(records, Port.VIDEO_A))
    assert missing.total() <= 1 / EVERY_S, "of the last moments before the kill alone"
    assert (gap := session.gaps[-1]).reason is GapReason.RECORDER_RESTARTED
    assert 0 < gap.from_us < gap.to_us < session.end_us
    assert session.damage.lines() == []


def test_a_change_of_order_in_flight_is_followed_and_each_order_is_kept(tmp_path: Path):
    flight = KeptFlight(tmp_path, ("pilot", "observer"))
    station = flight.stations["pilot"]
    try:
        flight.wait_open()
        flight.run(0.5)
        amend(flight.house, "revoke", "--station", "observer")
        load(flight)
        assert flight.until(lambda: station.says("goes on under order 2") == 1), flight.logs()
        count = len(station.packets)
        assert flight.until(lambda: len(station.packets) > count + 50), flight.logs()
        flight.land()
    finally:
        flight.end()
    require_kept(flight, station)
    assert len([*flight.kept().glob("order-*.cose")]) == 2
    assert len(flight.sessions()) == 2


def test_two_grounds_do_not_record_into_one_folder(tmp_path: Path):
    flight = KeptFlight(tmp_path)
    try:
        flight.wait_open()
        second = Listener("observer", tmp_path, flight.house.order, ("--record", str(flight.kept())))
        assert flight.until(lambda: not second.program.running)
        assert "in use by" in second.program.output()
        second.close()
    finally:
        flight.end()


def test_it_is_played_as_a_card_is(flown: KeptFlight, tmp_path: Path):
    """To a ground control station and a player, by the command that a person types."""
    gcs, player = udp_socket(), udp_socket()
    words = ("--gcs", f"udpout:{HOST}:{port_of(gcs)}", "--video", f"udpout:{HOST}:{port_of(player)}", "--speed", "5")
    station = ("--station", str(flown.house.folder / "pilot"))
    played = Program(("recording", "play", str(flown.kept()), *station, *words), tmp_path, "play")
    frames, packets = list[bytes](), list[bytes]()

    def take() -> None:
        frames.extend(drain(gcs))
        packets.extend(drain(player))

    assert run_until(lambda: not played.running, take, [gcs, player], 60.0), played.output()
    take()
    gcs.close()
    player.close()
    assert (frames, packets) == (flown.stations["pilot"].frames, flown.stations["pilot"].packets), played.output()
    assert played.end() == 0
    assert "not proved" not in played.output()


def test_a_disk_that_is_really_full_tears_a_file_and_the_next_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On a card of 256 KiB, with nothing kept free: the write itself fails, in the middle of a record."""
    monkeypatch.setattr(writer, "RETRY_EVERY_S", 0.1)
    (tmp_path / "card").mkdir()
    card, number = Card(tmp_path / "card"), 0
    kept = writer.Writer(card.folder, Start(0, 1, "1", [], None), 0.0, 0)

    def add() -> bool:
        nonlocal number
        number += 1
        stage = LinkStage(0.0)
        batch = Batch()
        batch.hold([b"%08d" % number + bytes(1200)])
        stage.add(0, batch, float(number))
        kept.add(b"".join(stage.take()[0]))
        time.sleep(0.002)
        return kept.trouble != ""

    assert run_until(add, lambda: None, [], 30.0)
    assert kept.trouble == "No space left on device"
    (first,) = card.folder.iterdir()
    shutil.move(first, tmp_path / first.name)
    assert run_until(lambda: not add(), lambda: None, [], 30.0)
    add()
    kept.end()
    for path in card.folder.iterdir():
        shutil.move(path, tmp_path / path.name)
    (start,) = reading.starts(tmp_path, Damages())
    records = [record for _, record in start.records()]
    numbers = [int(record.content[:8]) for record in records if form.link_of(record.port) == 0]
    lost = [said.count for record in records if isinstance(said := reading.event(record), Lost)]
    assert numbers == sorted({*numbers})
    assert len(start.files) >= 2
    assert len(numbers) + sum(lost) == number == numbers[-1]
    assert (start.damage.lines(), kept.lost) == ([], sum(lost))


def test_a_damaged_recording_opens_as_far_as_it_is_whole_and_nothing_is_raised(flown: KeptFlight, tmp_path: Path):
    rng, station = random.Random(1), flown.station()
    kept = tmp_path / "kept"
    shutil.copytree(flown.kept(), kept)
    (path,) = kept.glob("link-*.pcap")
    whole = path.read_bytes()
    genuine = Counter(record.content for record in flown.records())
    for number in range(30):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 5, 100))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.randrange(len(data))] if number % 3 == 0 else data)
        with contextlib.suppress(CardError):  # if nothing is left of it
            for session in link.sessions(kept):
                opens = session.opens(station)
                assert not Counter(each.content for each in session.records(station, opens)) - genuine


def test_it_is_exported_as_a_card_is(flown: KeptFlight, tmp_path: Path):
    """The pcaps hold what the ground delivered, byte for byte."""
    said = zegel("recording", "export", flown.kept(), "--station", flown.house.folder / "pilot", "-o", tmp_path / "out")
    for name, delivered in (("flight", flown.stations["pilot"].frames), ("video-a", flown.stations["pilot"].packets)):
        data = (tmp_path / f"out/{name}.pcap").read_bytes()
        assert [record.content for record in pcap.read(data, len(pcap.FILE_HEADER))] == delivered, said
    frames = [frame for _, frame in tlog.frames((tmp_path / "out/flight.tlog").read_bytes())]
    assert frames == flown.stations["pilot"].frames
    told = (tmp_path / "out/README.txt").read_text()
    assert "when they came to the station by the link." in told
    assert "End             the aircraft ended it\n" in told
    assert "leaves.cbor" not in told
    assert (tmp_path / "out/SHA256SUMS").exists()


def test_by_two_links_each_datagram_opens_once_and_telemetry_in_its_order(tmp_path: Path):
    """Each link loses other datagrams, and brings copies of the rest."""
    flight = KeptFlight(tmp_path)
    station, rng = flight.stations["pilot"], random.Random(4)
    flight.radio.listeners.append(station.add_link())

    def lossy(datagram: bytes) -> None:
        for port in flight.radio.listeners:
            if rng.random() > 0.2:
                flight.radio.socket.sendto(datagram, (HOST, port))

    flight.radio.send = lossy  # type: ignore[method-assign]
    try:
        flight.wait_open()
        assert flight.until(lambda: len(station.packets) > 150)
        flight.land()
    finally:
        flight.end()
    require_kept(flight, station)
    (start, *_) = reversed(reading.starts(flight.kept(), Damages()))
    links = Counter(form.link_of(record.port) for _, record in start.records())
    assert links[0] > 100 < links[1]


def test_an_older_flight_that_is_replayed_to_the_ground_opens_no_second_time(tmp_path: Path):
    """The station remembers the later start, and the recording what it remembered: as in flight, so later."""
    flight = KeptFlight(tmp_path)
    station = flight.stations["pilot"]
    try:
        flight.wait_open()
        flight.run(6.0)  # a start counts once it has lasted
        flight.land()
        first, captured = [*station.packets], [*flight.radio.capture]
        flight.start_air()
        flight.wait_open(2)
        flight.run(6.0)
        flight.land()
        station.program.end()
        delivered = [*station.packets]
        station.start()
        assert flight.until(lambda: station.says("listening for operation") >= 2)
        for datagram in captured:
            flight.radio.send(datagram)
            flight.run(0.001)
        assert flight.until(lambda: "refused a session" in station.program.output()), flight.logs()
        flight.run(1.0)
        assert station.packets == delivered
    finally:
        flight.end()
    one, other = flight.sessions()
    assert len(reading.starts(flight.kept(), Damages())) == 2
    assert of([*one.records(flight.station(), [Group.VIDEO_A])], Port.VIDEO_A) == first
    assert of([*other.records(flight.station(), [Group.VIDEO_A])], Port.VIDEO_A) == delivered[len(first) :]


def test_a_reader_begins_shortly_before_what_is_asked_for(flown: KeptFlight):
    """Further back where little came, since keys come seldom on a narrow link."""
    (part,) = flown.sessions()[0]._parts
    zero, second = part.heard.zero_ns, 1_000_000_000
    for each_s, lead_s in ((2_000_000, 10), (200_000, 42), (1_000, 60)):
        part.index.marks[:] = [Mark(zero + at * second, Place(0, 24 + at), "", at * each_s) for at in range(600)]
        assert part.mark(500 * second).time_ns - zero == (500 - lead_s) * second
    assert part.mark(5 * second).time_ns == zero
