"""Attacks with orders that come by the link: certificates that a library throws at, rubbish and copies without end.

The house is real: an agency, an aircraft and three stations as `zegel` makes them. Two stations command; the attacker is
the second, and has the keys of that station.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtensionOID

from gateway.air import session_manager
from gateway.air.session_manager import SessionManager
from gateway.core import order_fragments
from gateway.core.air.uplink_opener import UplinkOpener
from gateway.core.drop_reason import DropReason
from gateway.core.ground.uplink_sessions import UplinkSessions
from gateway.core.order_fragments import PIECE_MAX
from gateway.core.wire import LINK_MTU, Evidence
from gateway.ground.order_file import OrderFile
from gateway.ground.succession import Succession
from gateway.ground.uplink import GroundUplink
from gateway.report.alarms import Alarms
from gateway.report.role_status import AlarmStatus
from keys import cose
from keys.folders import station as station_folder
from keys.folders.device import DeviceFolder
from keys.folders.station import StationFolder
from keys.lanes import Lane
from keys.order import TYP, verify_order
from tests import tagged
from tests.hostile.certificates import CONTENTS, Extension, with_extensions
from tests.hostile.row import Row, only
from tests.memory_link import Station, World, batches
from tests.system.house import House, zegel

PILOT, ATTACKER = 1, 3  # indexes in the order
STRANGER = Ed25519PrivateKey.generate()
STEP_S = 0.02
AGAIN = 1_000


def evil_order() -> bytes:
    """No order at all; the certificate of its signer names itself by an x400Address."""
    names = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
    extension = Extension(identifier=names, critical=False, value=CONTENTS["names: x400Address"])
    return cose.sign(b"no order", TYP, [cose.Signer(STRANGER, (with_extensions([extension]),))])


def rubbish(number: int) -> bytes:
    return cose.sign(number.to_bytes(8, "big"), TYP, [cose.Signer(STRANGER, (b"no certificate",))])


def pieces(data: bytes) -> list[bytes]:
    """Of any file that begins as an order does: under the name that its first bytes give it."""
    message = tagged.parts(data).value
    name = hash_of(message[0], message[2])[: order_fragments.NAME_SIZE]
    cut = [data[at : at + PIECE_MAX] for at in range(0, len(data), PIECE_MAX)]
    return [name + bytes([index, len(cut)]) + piece for index, piece in enumerate(cut)]


def hash_of(protected: bytes, payload: bytes) -> bytes:
    """SPEC.md section 3."""
    return hashlib.sha256(cose.dumps(protected) + cose.dumps(payload)).digest()


class Scene(World):
    """The aircraft flies; the pilot and the attacker have joined. A ground is the pilot's."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        visitor = f"{folder / 'visitor/station.pub'}:telemetry,video,command"
        self.house = House(folder, profile="x25519", more=("--station", visitor))
        self.stations = {PILOT: StationFolder.open(folder / "pilot"), ATTACKER: StationFolder.open(folder / "visitor")}
        self.order = verify_order(self.house.order.read_bytes(), self.stations[PILOT].roots, 0)
        self.seeds = {index: station.seed for index, station in self.stations.items()}
        self.device = DeviceFolder.open(folder / "drone-7")
        self.alarms, self.drops, self.now = Alarms(lambda _: None), Counter[str](), 0.0
        self.sessions = SessionManager(self.device, 1, 8_000_000, self.alarms)
        self.sessions.begin(self.now)
        self.uplink_opener = UplinkOpener(self.sessions.announcer)
        self.pilot, self.attacker = self.station(PILOT), self.station(ATTACKER)
        self.fly(2.0)
        self.ground_alarms = Alarms(lambda _: None)
        uplink = GroundUplink(
            UplinkSessions(self.order, PILOT, LINK_MTU, self.random.randbytes), [], [], self.ground_alarms
        )
        paper = OrderFile(str(self.house.order))
        folder_of = self.stations[PILOT]
        self.succession = Succession(folder_of, paper, self.pilot.listener, uplink, self.ground_alarms)

    def amended(self) -> bytes:
        """Order 2, which the pilot has: the attacker is not in it any more."""
        new = self.house.folder / "new.order"
        words = ("--agency", self.house.folder / "agency", "--station", "visitor", "-o", new)
        zegel("order", "revoke", self.house.order, *words)
        return new.read_bytes()

    def fly(self, seconds: float) -> None:
        """What both ends do by themselves."""
        end = self.now + seconds
        while self.now < end:
            self.now += STEP_S
            sent = self.sessions.datagrams(self.now)
            for station in (self.pilot, self.attacker):
                station.receive(sent, self.now)
                station.sessions.follow(station.listener.sessions.values(), self.now)
            self.sessions.watch(self.now)

    def carry(self, station: Station, content: bytes) -> None:
        """An order fragment in lane 17, from this station to the aircraft."""
        (commander,) = station.sessions.commanders.values()
        datagram = commander.carry(content, self.now)
        assert datagram is not None
        for batch in batches([datagram]):
            for index, _, fragment in self.uplink_opener.open(batch, self.now).control:
                if not self.sessions.order_fragment(index, fragment, self.now):
                    self.drops[DropReason.BAD_ORDER.value] += 1

    def forge(self, content: bytes) -> None:
        """An order fragment in lane 7, to the pilot's ground; every reader of that lane has its key."""
        announcer = self.sessions.announcer
        key = announcer.send_key(Lane.EVIDENCE)
        assert key is not None
        self.pilot.receive([announcer.sealer.seal_one(key, bytes([Evidence.ORDER_FRAGMENT]) + content)], self.now)

    def began(self, alarms: Alarms, reason: str) -> dict[str, int]:
        """How often this alarm began, which it must have."""
        return only({reason: alarms.by_reason().get(reason, AlarmStatus(0, 0, "")).began}, reason)

    def goes_on(self) -> bool:
        """Whether the pilot takes a new order of the agency up, and it comes into force."""
        data = self.amended()
        self.fly(1.5)
        for content in pieces(data):
            self.carry(self.pilot, content)
        return self.device.order().raw == data


@contextlib.contextmanager
def scene(folder: Path) -> Iterator[Scene]:
    made = Scene(folder)
    with contextlib.closing(made.device):
        yield made


@contextlib.contextmanager
def counted(where: ModuleType) -> Iterator[list[bytes]]:
    """The orders that are parsed meanwhile."""
    looked: list[bytes] = []
    with patch.object(where, "verify_order", lambda data, *args: looked.append(data) or verify_order(data, *args)):
        yield looked


# --- certificates ---


def evil_certificate_aboard(folder: Path) -> Row:
    with scene(folder) as here:
        (content,) = pieces(data := evil_order())
        here.carry(here.attacker, content)
        moved = here.began(here.alarms, "carried_refused")
        assert here.goes_on()
    return Row(
        "a station carries an order up whose certificate a library throws at",
        f"one fragment in lane 17: some {round(len(data), -1)} bytes, an x400Address in the signer's certificate",
        "refused, with the station's name, before the extension is decoded; the aircraft takes the next good order",
        moved,
    )


def evil_certificate_at_a_ground(folder: Path) -> Row:
    with scene(folder) as here:
        (content,) = pieces(data := evil_order())
        here.forge(content)
        here.succession.look_at_link(here.now)
        moved = here.began(here.ground_alarms, "link_order_refused")
        for fragment in pieces(genuine := here.amended()):
            here.forge(fragment)
        here.succession.look_at_link(here.now + 1.0)
        assert here.pilot.listener.order.raw == genuine
    return Row(
        "a reader sends other grounds an order whose certificate a library throws at",
        f"one fragment in lane 7: some {round(len(data), -1)} bytes, an x400Address in the signer's certificate",
        "refused before the extension is decoded; the ground goes on, and takes the next good order",
        moved,
    )


# --- without end ---


def rubbish_orders(folder: Path) -> Row:
    with scene(folder) as here, counted(session_manager) as looked:
        content, begin, number = pieces(genuine := here.amended()), here.now, 0
        while here.now < begin + 20 and here.device.order().raw != genuine:
            for _ in range(4):
                number += 1
                here.carry(here.attacker, pieces(rubbish(number))[0])
            if content and here.now >= begin + 5:
                here.carry(here.pilot, content.pop(0))
                came = here.now
            here.fly(STEP_S)
        assert here.device.order().raw == genuine
        waited = here.now - came
    return Row(
        "a station carries up another order without end, all different, all rubbish",
        f"{number:,} orders in {here.now - begin:.0f} s; after 5 s the pilot carries one of the agency's up",
        f"{len(looked) - 1} of the attacker's were parsed; the agency's was in force {waited:.2f} s after its last piece",
        here.began(here.alarms, "carried_refused"),
    )


def refused_again(folder: Path) -> Row:
    with scene(folder) as here, counted(session_manager) as looked:
        (content,) = pieces(rubbish(1))
        for _ in range(AGAIN):
            here.carry(here.attacker, content)
            here.fly(0.1)
        assert looked == [rubbish(1)]
        assert here.goes_on()
    return Row(
        "an order that was refused, carried up again and again",
        f"{AGAIN:,} times in {AGAIN / 10:.0f} s",
        "parsed once",
        here.began(here.alarms, "carried_refused"),
    )


def refused_again_at_a_ground(folder: Path) -> Row:
    with scene(folder) as here, counted(station_folder) as looked:
        (content,) = pieces(rubbish(1))
        for step in range(AGAIN):
            here.forge(content)
            here.succession.look_at_link(here.now + step)
        assert looked == [rubbish(1)]
    return Row(
        "the same in lane 7 to a ground",
        f"{AGAIN:,} times",
        "parsed once",
        here.began(here.ground_alarms, "link_order_refused"),
    )


def outer_headers(folder: Path) -> Row:
    """No signature covers the outer header, so each of these files would be the agency's order."""
    with scene(folder) as here, counted(session_manager) as looked:
        protected, _, payload, signatures = tagged.parts(here.amended()).value
        for number in range(100):
            spelled = cose.dumps(cbor2.CBORTag(98, [protected, {"note": number}, payload, signatures]))
            for content in pieces(spelled):
                here.carry(here.attacker, content)
            here.fly(1.1)
        assert not looked
        assert here.device.order().content.serial == 1
    return Row(
        "one order in many spellings: something in the outer header, which no signature covers",
        "100 files of the agency's newest order, all different",
        "none begins as an order does, and none was parsed",
        only(here.drops, "bad_order"),
    )


# --- an agency against itself ---


def two_signers(folder: Path) -> Row:
    """One officer takes the attacker out; another, with a copy of signer/, amends as if that had not been."""
    with scene(folder) as here:
        shutil.copytree(folder / "agency/signer", folder / "copy/signer")
        ours = here.amended()
        theirs, previous = [], here.house.order
        for name in ("theirs.order", "later.order"):
            words = ("--agency", folder / "copy", "--hours", 1, "-o", folder / name)
            zegel("order", "extend", previous, *words)
            previous = folder / name
            theirs.append(previous.read_bytes())
        here.sessions.put_in_force(ours, here.now)
        for data in theirs:
            for content in pieces(data):
                here.carry(here.pilot, content)
            here.now += 1.0
        assert here.device.order().raw == ours
    return Row(
        "two copies of the agency's signer/ sign different orders",
        "order 2 aboard revokes a station; another order 2, and an order 3 that amends that one, bring it back by the link",
        "refused; the alarm names the number and both fingerprints, and stays until a newer order",
        here.began(here.alarms, "number_twice"),
    )


ATTACKS = (
    evil_certificate_aboard,
    evil_certificate_at_a_ground,
    rubbish_orders,
    refused_again,
    refused_again_at_a_ground,
    outer_headers,
    two_signers,
)
