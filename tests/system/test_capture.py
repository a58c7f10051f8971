"""What a capture of the link and a stolen folder give: nothing that was flown or commanded, but the operation's control."""

from __future__ import annotations

import random
import re
import socket

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.batch import Batch
from gateway.core import fragment, sframe
from gateway.core.control_cipher import ControlCipher
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener
from gateway.core.wire import FIRST_CONTROL, Kind, parse_control
from gateway.demo.leaks import shared_windows
from gateway.demo.stage import HOST
from keys import announcement, cose, grant
from keys.errors import KeysError
from keys.folders.station import StationFolder
from keys.grant import Profile
from keys.keyring import derive
from keys.order import verify_order
from tests.memory_link import mavlink_frame
from tests.system.house import NAMES, House, zegel


def flown(fly):
    """A short flight with everything that entered it: (flight, frames, pictures)."""
    flight, rng = fly(("pilot", "observer")), random.Random(7)
    flight.wait_open()
    frames, pictures = [], []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for seq in range(400):
            frames.append(mavlink_frame(rng, seq))
            pictures.append(rng.randbytes(1200))
            out.sendto(frames[-1], (HOST, flight.fc_port))
            out.sendto(pictures[-1], (HOST, flight.camera_port))
            flight.run(0.003)
    flight.until(lambda: all(len(s.packets) == len(s.frames) == 400 for s in flight.stations.values()), 5)
    return flight, frames, pictures


def test_no_plaintext_and_no_name_is_on_the_link(fly):
    flight, frames, pictures = flown(fly)
    for station in flight.stations.values():
        assert station.frames == frames
        assert station.packets == pictures
    wire = flight.radio.capture
    assert shared_windows(frames + pictures, wire) == 0
    assert not [name for name in NAMES for datagram in wire if name in datagram]
    # The detector itself can fail: one frame in clear would be found.
    assert shared_windows(frames, [*wire, b"??" + frames[5]]) > 0


def opens(order, station_index, profile, seed, capture) -> int:
    opener, batch = Opener(Listener(order, StationIdentity(station_index, profile, seed), {})), Batch()
    for datagram in capture:
        batch.clear()
        batch.append(datagram)
        opener.open(batch, 0.0)
    return sum(opener.opened.values())


def test_the_devices_folder_holds_no_key_that_opens_telemetry_video_commands_or_recordings(fly, house: House):
    """Every byte string of 32 bytes that the folder holds, tried as every kind of key there is, on the whole capture.

    It does hold op_id, so it opens the control datagrams: who has the folder knows the order anyway.
    """
    flight, _, _ = flown(fly)
    flight.end()
    device = house.folder / "drone-7"
    files = [path.read_bytes() for path in device.rglob("*") if path.is_file()]
    order = verify_order(house.order.read_bytes(), StationFolder.open(house.folder / "pilot").roots, 0)
    capture = flight.radio.capture
    assert opens(order, 1, Profile.X_WING, StationFolder.open(house.folder / "pilot").seed, capture) > 0  # it can succeed
    candidates = {data[at : at + 32] for data in files for at in range(len(data) - 31)} | private_keys(device)
    assert any(order.content.op_id in data for data in files)
    announcements = _announcements(capture, ControlCipher(order.content.op_id))
    assert announcements
    for candidate in _likely(candidates, files):
        for announced in announcements:
            for profile in (Profile.X_WING, Profile.X25519):
                assert not _unseals(announced, profile, candidate)
    samples = [next(d for d in capture if d[0] >> 4 == 9 and d[1] == context) for context in (1, 2, 4, 7)]
    samples.append(next(datagram for _, datagram in flight.radio.up))
    session_id = announcements[0].session_id
    for candidate in candidates:
        for sample in samples:
            assert not _decrypts(sample, candidate, session_id)


def private_keys(folder) -> set[bytes]:
    found = set()
    for path in folder.rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            found.add(key.private_bytes_raw())
    assert found, "the device's own signing key is the one secret that the folder holds"
    return found


def _likely(candidates: set[bytes], files: list[bytes]) -> list[bytes]:
    """HPKE takes a fifth of a millisecond a try: the real secrets, and a seeded sample of all other windows."""
    rng = random.Random(1)
    keys = {m for data in files for m in re.findall(rb"[A-Za-z0-9+/=]{32,}", data)}
    pool = sorted(candidates | {k[:32] for k in keys})
    return rng.sample(pool, min(len(pool), 1500))


def _announcements(capture, cipher: ControlCipher) -> list[announcement.Announcement]:
    """Every key announcement in the capture; its signature does not matter to who steals it."""
    whole, reassembler = {}, fragment.Reassembler()
    for datagram in capture:
        parsed = parse_control(cipher.open(datagram) or b"") if datagram[0] == FIRST_CONTROL else None
        if parsed and parsed[0].kind is Kind.ANNOUNCEMENT:
            message = reassembler.add(*parsed)
            if message:
                whole[message] = announcement.Announcement(*cose.loads(cose.parse_sign1(message).payload).values())
    return list(whole.values())


def _unseals(announced, profile, seed) -> bool:
    try:
        grant.unseal(profile, seed, announced.info(), announced.sealed)
    except KeysError:
        return False
    return True


def _decrypts(datagram: bytes, base_key: bytes, session_id: bytes) -> bool:
    kid, ctr, size = sframe.decode_header(datagram)
    key, salt = derive(base_key, kid)
    try:
        for candidate in (key, base_key):
            AESGCM(candidate).decrypt(sframe.nonce(salt, ctr), datagram[size:], datagram[:size] + session_id)
    except InvalidTag:
        return False
    return True


def test_a_stations_folder_opens_its_own_operation_only(fly, house: House, tmp_path):
    flight, _, _ = flown(fly)
    flight.end()
    capture = flight.radio.capture
    pilot = StationFolder.open(house.folder / "pilot")
    theirs = verify_order(house.order.read_bytes(), pilot.roots, 0)
    house.issue(tmp_path / "other.order", ("visitor", "observer"))
    other = verify_order((tmp_path / "other.order").read_bytes(), pilot.roots, 0)
    visitor = StationFolder.open(house.folder / "visitor")
    assert opens(theirs, 1, pilot.profile, pilot.seed, capture) > 0
    assert opens(other, 1, visitor.profile, visitor.seed, capture) == 0  # another order, the same aircraft and stations
    for index in (1, 2):
        assert opens(theirs, index, visitor.profile, visitor.seed, capture) == 0  # a station that is not in the order


def test_order_show_needs_no_key_and_tells_all(house: House):
    text = zegel("order", "show", house.order)
    for word in ("Harbour Police", "Night Watch", "drone-7", "pilot", "observer"):
        assert word in text
