"""Attacks on what a person is told, and by it: text of others in alarms and at terminals, a terminal that stands still, and
the word of another aircraft."""

from __future__ import annotations

import contextlib
import io
import socket
from pathlib import Path

from pymavlink.dialects.v20 import minimal

from firmware_shims.heartbeat import Autopilots
from gateway import cli
from gateway.demo.stage import HOST, Program, Radio, free_port, run_until
from gateway.report.alarms import ARGUMENT_MAX, Alarms
from keys import certificate, cose
from keys.cose import Alg
from keys.folders import private_key
from keys.folders.agency import SIGNER, AgencyFolder, key_file
from keys.order import TYP
from tests.agency import Agency, order
from tests.hostile.order_attacks import Scene, pieces, scene
from tests.hostile.row import Row
from tests.system.house import House
from tests.system.outputs import Terminal

LIES = [f"RETURN TO BASE AT ONCE, {number}" for number in range(12)]
ESCAPE = "\x1b[2J\x1b]0;all is well\x07"
TOO_LARGE = bytes(1900)
MORE = 20  # datagrams


# --- text in alarms ---


def lie(text: str) -> bytes:
    """An order of an agency of this name, which the sender made for it: its refusal would quote the name."""
    return Agency(text).sign(order().payload())


def holds_no_lie(here: Scene, alarms: Alarms) -> int:
    """How many alarms there are, none of which has a word of the sender's."""
    here.fly(1.0)
    assert alarms.texts
    assert not [text for text in alarms.texts if "RETURN" in text]
    return len(alarms.texts)


def texts_at_a_ground(folder: Path) -> Row:
    with scene(folder) as here:
        for step, text in enumerate(LIES):
            for content in pieces(lie(text)):
                here.forge(content)
            here.succession.look_at_link(here.now + 2 * step)
        count = holds_no_lie(here, here.ground_alarms)
        moved = here.began(here.ground_alarms, "link_order_refused")
    return Row(
        "a reader writes text into the alarms of other stations",
        f"{len(LIES)} orders in lane 7, each of an agency whose name is the text",
        f"{count} alarm, of a fixed sentence: an order is refused, foreign root",
        moved,
    )


def texts_aboard(folder: Path) -> Row:
    with scene(folder) as here:
        for text in LIES:
            for content in pieces(lie(text)):
                here.carry(here.attacker, content)
            here.fly(2.0)
        count = holds_no_lie(here, here.alarms)
        moved = here.began(here.alarms, "carried_refused")
    return Row(
        "a station that commands writes text into the alarms of an aircraft",
        f"{len(LIES)} orders in lane 17, each of an agency whose name is the text",
        f"{count} alarm: the station's name in the order, and foreign root",
        moved,
    )


def long_text(folder: Path) -> Row:
    with scene(folder) as here:
        signer = folder / "agency/signer"
        (issued,) = AgencyFolder(folder / "agency")._signer_certificates()
        key = private_key.read(signer / key_file(SIGNER, Alg.ESP384))
        payload = cose.dumps({f"{ESCAPE}{number}" + "x" * 500: 1 for number in range(25)})
        data = cose.sign(payload, TYP, [cose.Signer(key, (certificate.der(issued),))])
        for content in pieces(data):
            here.carry(here.attacker, content)
        (folder / "drone-7/order.new").write_bytes(data)
        (folder / "drone-7/order.new").chmod(0o600)
        here.fly(2.0)
        texts = here.alarms.texts
        assert len(texts) == 2
        assert all(text.isprintable() and len(text) < 2 * ARGUMENT_MAX for text in texts)
        moved = here.began(here.alarms, "carried_refused") | here.began(here.alarms, "inbox_refused")
    return Row(
        "an order whose refusal quotes 13 KB of escape sequences, signed with the agency's own key",
        f"{len(data):,} bytes, in lane 17 and by the device's folder",
        f"two alarms of {min(map(len, texts))} and {max(map(len, texts))} characters, all of which print",
        moved,
    )


# --- at a terminal ---


def escapes(folder: Path) -> Row:
    named, shown = folder / f"{ESCAPE}\nzegel: all is well", io.StringIO()
    with contextlib.redirect_stderr(shown):
        assert cli.main(["order", "show", str(named)]) != 0
    lines = shown.getvalue().splitlines()
    assert all(line.isprintable() for line in lines)
    assert [line.split(":")[0].strip() for line in lines] == ["zegel", "hint"]
    return Row(
        "a file whose name holds escape sequences and a line end",
        "`zegel order show` of it",
        "shown escaped, in one line; as are names of processes, contents of files, and what another process says of itself",
        {},
    )


def stopped_terminal(folder: Path) -> Row:
    house, radio, camera, terminal = House(folder, profile="x25519"), Radio(), free_port(), Terminal()
    words = ("air", "--device", str(folder / "drone-7"), "--fc", f"udpin:{HOST}:{free_port()}")
    link = ("--video", f"udpin:{HOST}:{camera}", "--link", f"udpout:{HOST}:{radio.port}")
    air = Program((*words, *link), house.folder, "air", within=terminal.words())

    def sends(datagram: bytes, count: int) -> bool:
        """Whether so many datagrams more come from the aircraft while the camera sends this one again and again."""
        more = radio.sealed + count

        def step() -> None:
            out.sendto(datagram, (HOST, camera))
            radio.relay()

        return run_until(lambda: radio.sealed >= more, step, (radio.socket,), 20)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        try:
            assert sends(b"picture", MORE)
            terminal.stop()
            assert sends(TOO_LARGE, 1)
            assert sends(b"picture", 200 * MORE), "it stands still"
        finally:
            code = air.end()
            terminal.go()
            terminal.close()
            radio.close()
    assert code == 0
    return Row(
        "the terminal of `zegel air` is stopped (Ctrl-S, an ssh that is lost), and there is something to say",
        f"a video datagram of {len(TOO_LARGE):,} bytes to a process at a stopped pseudo-terminal",
        "the flight goes on, and SIGTERM ends it; lines that find no room are left out and counted",
        {},
    )


# --- another aircraft's word ---


def heartbeat(system: int, *, armed: bool) -> bytes:
    sender = minimal.MAVLink(None, srcSystem=system, srcComponent=1)
    mode = minimal.MAV_MODE_FLAG_SAFETY_ARMED if armed else 0
    return bytes(minimal.MAVLink_heartbeat_message(2, 3, mode, 0, 4, 3).pack(sender))


def another_aircraft() -> Row:
    own, other = heartbeat(1, armed=True), heartbeat(2, armed=False)
    lines = ([own, other], [other, own], [other, other], [own, heartbeat(1, armed=False)])
    for line in lines:
        autopilots = Autopilots()
        autopilots.hear(line)
        assert not autopilots.stands
    return Row(
        "another aircraft's heartbeat on the flight controller's line, disarmed, after the order's end",
        f"{len(lines)} orders of heartbeats of systems 1, armed, and 2; system 2 alone; two aircraft of one number",
        "none of them keeps the aircraft on the ground",
        {},
    )


ATTACKS = (texts_at_a_ground, texts_aboard, long_text, escapes, stopped_terminal, another_aircraft)
