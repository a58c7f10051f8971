"""Attacks on what an agency signs: half of a hybrid agency, a classical key in a confidential order, a demoted pilot.

The agency's keys are on paper (tests/agency.py); the folders of the aircraft and the station are as `zegel` made them,
with a root.crt of two certificates. The attacker has what a quantum computer would give: one of the two keys.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mldsa

from gateway import cli
from gateway.air import session_manager
from gateway.air.session_manager import SessionManager
from gateway.core.air.announcer import Phase
from gateway.report.alarms import Alarms
from keys import certificate, cose
from keys.beat_flag import Flag
from keys.cose import Signer
from keys.errors import KeysError
from keys.folders import station_public
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
from keys.lanes import Role
from keys.order import TYP, Order
from keys.order_device import OrderDevice
from tests.agency import NAME, NOW, Agency, harbour, harbour_later, order, station
from tests.hostile.row import Row
from tests.system.house import zegel

ROOTS = (harbour().root, harbour_later().root)
CLASSICAL = ROOTS[:1]
BOTH = (harbour().signer, harbour_later().signer)
PILOT = Role.TELEMETRY | Role.VIDEO | Role.COMMAND


class Pair:
    """An aircraft and a station, `folder`/drone-7 and pilot, which trust a root.crt of these certificates."""

    def __init__(self, folder: Path, root: tuple[x509.Certificate, ...] = ROOTS) -> None:
        folder.mkdir(exist_ok=True)
        self.root = folder / "root.crt"
        self.drone, self.pilot = folder / "drone-7", folder / "pilot"
        write(self.root, *root)
        zegel("device", "init", self.drone, "--name", "drone-7")
        request = certificate.load_request((self.drone / "device.csr").read_bytes())
        self.certificate = folder / "drone-7.crt"
        write(self.certificate, certificate.certify_device(harbour().issuer, request, NOW))
        zegel("device", "enrol", self.drone, self.certificate, "--root", self.root)
        said = zegel("station", "init", self.pilot, "--name", "pilot", "--root", self.root)
        (self.fingerprint,) = re.findall(r"root keys? fingerprint (\S+)", said)

    def order(self, **changes: object) -> Order:
        """For this aircraft and this station, which has a key of profile x-wing."""
        device = OrderDevice.of(certificate.load_certificate(self.certificate.read_bytes()))
        public = station_public.parse((self.pilot / "station.pub").read_bytes(), "station.pub")
        pilot = station(1, public.profile, name="pilot", roles=PILOT, guard="pilot")
        pilot = dataclasses.replace(pilot, pub=public.pub)
        return order(**{"devices": (device,), "stations": (pilot,), "recording": (), **changes})

    def taken(self, content: Order, *signers: Signer) -> list[str]:
        """Which of the two take it, however it was signed."""
        data = cose.sign(content.payload(), TYP, signers)
        took = []
        with DeviceFolder.open(self.drone) as device:
            if accepts(lambda: device.load_order(data, NOW)):
                took.append("aircraft")
        if accepts(lambda: StationFolder.open(self.pilot).accept_order(data, NOW)):
            took.append("station")
        return took


def write(path: Path, *certificates: x509.Certificate) -> None:
    path.write_bytes(b"".join(map(certificate.pem, certificates)))


def accepts(take: Callable[[], object]) -> bool:
    try:
        take()
    except KeysError:
        return False
    return True


def refused(*words: object) -> bool:
    """Whether the command ends with anything but 0."""
    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(io.StringIO()):
        return cli.main([str(word) for word in words]) != 0


def one_signature(folder: Path) -> Row:
    pair = Pair(folder)
    for signer in BOTH:
        assert pair.taken(pair.order(serial=8), signer) == []
    assert pair.taken(pair.order(), *BOTH) == ["aircraft", "station"]
    return Row(
        "an order of a hybrid agency, by an attacker who has broken one of its two kinds of key",
        "two orders: with the P-384 signature alone, and with the ML-DSA-65 one alone",
        "neither the aircraft nor a station accepted one: both signatures are needed",
        {},
    )


def odd_signatures(folder: Path) -> Row:
    pair, coast = Pair(folder), Agency("Coast Guard")
    coast_later, stranger = (Agency(name, mldsa.MLDSA65PrivateKey.generate) for name in ("Coast Guard", NAME))
    write(folder / "coast.crt", coast.root, coast_later.root)
    zegel("station", "trust", pair.pilot, "--root", folder / "coast.crt")
    for second in (coast_later.signer, stranger.signer, harbour().new_signer(), harbour_later().new_signer(2)):
        assert pair.taken(pair.order(serial=8), harbour().signer, second) == []
    assert pair.taken(pair.order(serial=8), *BOTH) == ["aircraft", "station"]
    return Row(
        "the second signature of a hybrid agency's order is put there by another",
        "another trusted agency's, one of the same name, a second P-384 signer, a signer of another generation",
        "none was taken",
        {},
    )


def same_name(folder: Path) -> Row:
    pair = Pair(folder)
    write(folder / "other.crt", Agency(NAME).root, Agency(NAME, mldsa.MLDSA65PrivateKey.generate).root)
    assert refused("station", "trust", pair.pilot, "--root", folder / "other.crt")
    assert len(StationFolder.open(pair.pilot).roots) == 2
    return Row(
        "an agency with the name of a trusted one, to replace one of its roots",
        "its root.crt, to `zegel station trust`",
        "refused: orders know agencies by name, so no two of one name are trusted in one place",
        {},
    )


def half_enrolled(folder: Path) -> Row:
    pair = Pair(folder)
    write(folder / "half.crt", harbour().root)
    assert refused("device", "enrol", pair.drone, pair.certificate, "--root", folder / "half.crt")
    zegel("station", "trust", pair.pilot, "--root", folder / "half.crt")
    assert pair.taken(pair.order(serial=8), harbour().signer) == []
    return Row(
        "an enrolled aircraft and a station are given half of the agency's root.crt, to make them ask for one signature",
        "the P-384 certificate alone, to `zegel device enrol` and `zegel station trust`",
        "no root is unpinned: both still ask for both",
        {},
    )


def half_given(folder: Path) -> Row:
    whole, half = (Pair(folder / name, roots) for name, roots in (("whole", ROOTS), ("half", CLASSICAL)))
    assert whole.fingerprint != half.fingerprint
    assert half.taken(half.order(), *BOTH) == []
    assert half.taken(half.order(serial=8), harbour().signer) == ["aircraft", "station"]
    return Row(
        "a root.crt from which the ML-DSA-65 certificate was removed on its way, to an aircraft and a station",
        "that file, and an order with the P-384 signature alone",
        "it has another fingerprint than the agency says, and the agency's own orders are refused; **a person who did not"
        " compare accepts an order with the one signature**",
        {},
    )


def classical_key(folder: Path) -> Row:
    pair = Pair(folder, CLASSICAL)
    listed = (*pair.order().stations, station(2, name="visitor", roles=Role.VIDEO))
    for label, took in (("confidential", []), ("regular", ["aircraft", "station"])):
        content = pair.order(serial=8, stations=listed, classification=label)
        assert pair.taken(content, BOTH[0]) == took
    return Row(
        "a confidential operation is recorded today, for a quantum computer to come",
        "an order of class confidential that lists a station of profile x25519, signed by a tool that does not refuse it",
        "neither took it; of class regular both do, and the lanes that this station reads are classical for all",
        {},
    )


def demoted(folder: Path) -> Row:
    pair = Pair(folder, CLASSICAL)
    assert pair.taken(pair.order(), BOTH[0]) == ["aircraft", "station"]
    (pilot,) = pair.order().stations
    changed = pair.order(serial=8, stations=(dataclasses.replace(pilot, guard="observer"),))
    with patch.object(session_manager, "board_clock", lambda: NOW + 60), DeviceFolder.open(pair.drone) as device:
        aboard = SessionManager(device, 1, 8_000_000, Alarms(lambda _: None))
        aboard.begin(0.0)
        old = aboard.announcer
        aboard.put_in_force(cose.sign(changed.payload(), TYP, BOTH[:1]), 1.0)
        assert not old.flags & Flag.ORDER_CHANGE_AHEAD
        aboard.datagrams(1.0)
        assert (old.phase, aboard.order.content.stations[0].guard) == (Phase.CLOSED, "observer")
    return Row(
        "a pilot who is made an observer in flight continues to command while the change is announced",
        "an order that gives a lesser guard policy",
        "not announced: the session under the old policy ended in the same turn",
        {},
    )


ATTACKS = (one_signature, odd_signatures, same_name, half_enrolled, half_given, classical_key, demoted)
