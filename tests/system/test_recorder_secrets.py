"""What an attacker who has the aircraft does not get of its recordings: from its files with the link's capture and a key of
another agency, and from the memory of a recorder that runs."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gateway.batch import Batch
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener as LinkOpener
from gateway.demo.leaks import shared_windows
from gateway.recording import opened, opening, paths
from gateway.recording.cobblestone import HEADER_SIZE, SEALED_SIZE, Opener, WrongKey
from gateway.recording.group import Group, Port
from gateway.recording.opened import Session
from gateway.recording.segment_keys import OfFile, OfKey
from keys import cose
from keys.folders.recording import RecordingFolder
from keys.folders.station import StationFolder
from keys.grant import Profile
from keys.order import verify_order
from tests.recorder_peer import segment_keys
from tests.system.house import zegel
from tests.system.recorded import Found, RecordedFlight
from tests.system.test_capture import private_keys
from tests.system.test_record import runtime
from tests.unit.keys.test_ratchet import memory

__all__ = ["runtime"]
ENDED = 3  # segments of each group that have ended when the memory is read


@pytest.fixture
def flight(runtime: None, tmp_path: Path) -> Iterator[RecordedFlight]:
    made = RecordedFlight(tmp_path)
    yield made
    made.end()


def session(flight: RecordedFlight) -> Session:
    return opened.sessions(flight.card)[-1]


def ended(flight: RecordedFlight) -> dict[bytes, list[int]]:
    """rec_id -> the segments that count, which have ended."""
    found: dict[bytes, list[int]] = {}
    for segment in session(flight).segments if any(flight.card.glob("session-*/leaves.cbor")) else ():
        if segment.leaf:
            found.setdefault(segment.rec_id, []).append(segment.index)
    return found


def wait_until_ended(flight: RecordedFlight) -> None:
    """ENDED segments of telemetry and pictures."""
    assert flight.until(lambda: [len(each) >= ENDED for each in ended(flight).values()] == [True, True]), flight.logs()


def running(flight: RecordedFlight) -> list[bool]:
    """Whether the next segment of each recording has begun on the card."""
    found = session(flight)
    recordings = [(paths.recording(found.folder, rec_id), indexes) for rec_id, indexes in ended(flight).items()]
    return [paths.segment(folder, len(indexes)).exists() for folder, indexes in recordings]


def rks(rk_0: bytes) -> Iterator[bytes]:
    """rk_0, rk_1, ... by the specification."""
    while True:
        yield rk_0
        rk_0 = HKDFExpand(hashes.SHA512(), 64, b"Zegel 1.0 Record ratchet").derive(rk_0)[32:]


def message_key(found: Session, rec_id: bytes, index: int, key: bytes) -> bytes:
    """What AES has of a segment key; it opens the first chunk of the file."""
    context = cose.dumps(["zegel/1 seg", rec_id, index])
    data = paths.segment(paths.recording(found.folder, rec_id), index).read_bytes()
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + data[:24] + context
    derived = HKDFExpand(hashes.SHA512(), 76, info).derive(key)
    AESGCM(derived[:32]).decrypt(derived[32:44], data[HEADER_SIZE : HEADER_SIZE + SEALED_SIZE], None)
    return derived[:32]


def first_key(key: RecordingFolder, found: Session, rec_id: bytes) -> bytes:
    header = found.headers[rec_id]
    ((key_id, _),) = header.keys
    return header.open(key_id, key.profile, key.seed)


# --- the files ---


def test_what_the_aircraft_and_the_link_have_opens_nothing_and_the_key_opens_all(flight, tmp_path, figure):
    wait_until_ended(flight)
    flight.air.end()
    flight.run(1.0)
    (found,) = flight.ended()
    pilot, house = flight.stations["pilot"], flight.house.folder
    assert {*pilot.frames} <= {*found.of(Port.TELEMETRY)}
    assert {*pilot.packets} <= {*found.of(Port.VIDEO_A)} <= {*map(flight.picture, range(1, flight.number + 1))}
    flown = [*found.of(Port.TELEMETRY), *found.of(Port.VIDEO_A)]
    files = {path: path.read_bytes() for each in ("drone-7", "card", "air.toml", "op.order") for path in walk(house / each)}
    wire = [*flight.radio.capture, *(datagram for _, datagram in flight.radio.up)]
    assert shared_windows(flown, [*files.values(), *wire]) == 0
    assert shared_windows(flown, [*files.values(), b"??" + flown[0]]) > 0, "one frame in clear would be found"

    everything = b"|".join([*files.values(), *wire])
    secrets = [flight.key.seed]
    secrets += [
        secret for rec_id, indexes in ended(flight).items() for secret in of_recording(flight, rec_id, len(indexes))
    ]
    assert not [secret for secret in secrets if secret in everything or secret.hex().encode() in everything]

    tried = {data[at : at + 32] for path, data in files.items() if path.suffix != ".cbl" for at in range(len(data) - 31)}
    tried |= private_keys(house / "drone-7")
    for rec_id in ended(flight):
        first = paths.segment(paths.recording(found.session.folder, rec_id), 0).read_bytes()
        assert not [secret for secret in tried if opens(secret, first, rec_id)]
        assert opens(first_key(flight.key, found.session, rec_id), first, rec_id), "the right one would be found"
    figure(f"files of the aircraft: {len(files)}, {len(everything) >> 10} KiB with the capture; {len(tried)} keys tried")
    wrong_keys_open_nothing(flight, found.session)
    what_is_disclosed_opens_alone(flight, found)


def wrong_keys_open_nothing(flight: RecordedFlight, found: Session) -> None:
    """Those of another agency, of a station, of the aircraft."""
    house = flight.house.folder
    zegel("recording", "keygen", house / "other", "--name", "archive")
    seeds = {RecordingFolder.open(house / "other").seed}
    for path in (*walk(house / "pilot"), *walk(house / "drone-7")):
        data = path.read_bytes()
        seeds |= {part for part in (data[:32], data[-32:]) if len(part) == 32}
    for seed in seeds:
        key = OfKey(Key(flight.key.profile, seed))
        assert found.opens(key) == []
        assert [*Session(found.folder).records(key, Group)] == []
    assert found.opens(OfKey(Key(flight.key.profile, flight.key.seed))) == [Group.FLIGHT, Group.VIDEO_A]
    with pytest.raises(AssertionError, match="this key opens nothing of session"):
        zegel("recording", "disclose", flight.card, "--key", house / "other", "-o", house / "wrong.keys")
    assert not (house / "wrong.keys").exists()


def what_is_disclosed_opens_alone(flight: RecordedFlight, found: Found) -> None:
    """The keys of video A's segments."""
    path, archive = flight.house.folder / "video.keys", flight.house.folder / "archive"
    zegel("recording", "disclose", flight.card, "--key", archive, "--lanes", "video-a", "-o", path)
    records = [*found.session.records(OfFile.decode(path.read_bytes(), path), Group)]
    assert [record.content for record in records] == found.of(Port.VIDEO_A)


@dataclasses.dataclass
class Key:
    """A recording key that is not in a folder."""

    profile: Profile
    seed: bytes


def walk(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]


def of_recording(flight: RecordedFlight, rec_id: bytes, count: int) -> Iterator[bytes]:
    """All the keys that its segments ever had."""
    found = session(flight)
    rk_0 = first_key(flight.key, found, rec_id)
    yield from itertools.islice(rks(rk_0), count + 1)
    for index, key in enumerate(itertools.islice(segment_keys(rk_0), count)):
        yield key
        yield message_key(found, rec_id, index, key)


def opens(secret: bytes, segment: bytes, rec_id: bytes) -> bool:
    """Whether this is rk_0 or the segment key of a recording's first segment, whose header commits to the key."""
    for key in (secret, next(segment_keys(secret))):
        with contextlib.suppress(WrongKey):
            Opener(key, opening.context(rec_id, 0), segment[:HEADER_SIZE])
            return True
    return False


# --- the memory ---


def test_the_memory_of_a_recorder_has_no_key_of_what_is_recorded_already(flight, figure):
    """rk_i and the keys of segments that have ended are gone; those of now are there, so that this can fail."""
    assert flight.until(lambda: [len(each) >= ENDED for each in ended(flight).values()] == [True, True], 60.0), (
        flight.logs()
    )
    flight.every_s = 0.002  # so much that the recorder begins to write before a cut
    (recorder,) = flight.recorders()
    assert flight.until(lambda: running(flight) == [True, True])
    os.kill(recorder, signal.SIGSTOP)
    try:
        held, aboard = memory(recorder), memory(flight.air.process.pid)
    except OSError as error:
        pytest.skip(f"needs root, to read the memory of another process: {error.strerror}")
    finally:
        before = ended(flight)
        os.kill(recorder, signal.SIGCONT)
    assert flight.until(lambda: all(len(each) > len(before[rec_id]) for rec_id, each in ended(flight).items()))
    of_link = link_salts(flight) | private_keys(flight.house.folder / "drone-7")
    assert all(secret in aboard for secret in of_link)
    assert not [secret for secret in of_link if secret in held], "the recorder has no key of the link"
    found = session(flight)
    kept: list[str] = []
    for rec_id, indexes in before.items():
        rk_0, gone = first_key(flight.key, found, rec_id), len(indexes)
        chain, keys = [*itertools.islice(rks(rk_0), gone + 2)], [*itertools.islice(segment_keys(rk_0), gone + 1)]
        sealing = [message_key(found, rec_id, index, key) for index, key in enumerate(keys)]
        secrets = {"rk": chain, "segment key": keys, "message key": sealing}
        kept += [f"{what} {index}" for what, each in secrets.items() for index in range(gone) if each[index] in held]
        kept += [
            f"{what} {index} in air" for what, each in secrets.items() for index, one in enumerate(each) if one in aboard
        ]
        assert chain[gone] in held or chain[gone + 1] in held
        assert sealing[gone] in held
        group = Group(found.headers[rec_id].group)
        figure(f"memory of a recorder, {len(held) >> 20} MiB: no key of {gone} segments of {group.label} that have ended")
    assert not kept


def link_salts(flight: RecordedFlight) -> set[bytes]:
    """Of the traffic keys that a station has: 96 bits of the same derivation as their keys."""
    station = StationFolder.open(flight.house.folder / "pilot")
    order = verify_order(flight.house.order.read_bytes(), station.roots, 0)
    listener, batch = Listener(order, StationIdentity(1, station.profile, station.seed), {}), Batch()
    opener = LinkOpener(listener)
    for datagram in flight.radio.capture:
        batch.clear()
        batch.append(datagram)
        opener.open(batch, 0.0)
    found = {lease.key.salt for leases in listener.leases.values() for lease in leases}
    assert found
    return found
