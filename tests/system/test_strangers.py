"""Every socket that a stranger can reach, at real processes: what comes there ends nothing, and is counted."""

from __future__ import annotations

import json
import random
import socket
import struct

import pytest
import zmq

from gateway.demo.stage import HOST, free_port, udp_socket
from keys import cose
from keys.order import TYP
from tests.hostile.mutation import mutated, strange_cbor
from tests.hostile.order_attacks import STRANGER, pieces
from tests.hostile.zmtp import GREETING, Stranger, ready
from tests.memory_link import mavlink_frame
from tests.system.house import zegel
from tests.system.insider import Insider

POISON = b"an order that a library throws at"
# What stands in the way of every import of the processes that are started: a library that throws what nobody expects.
SITE = f"""
from cryptography.x509 import UnsupportedGeneralNameType
from keys import order
real = order.verify_order
def verify_order(data, roots, lower_bound):
    if {POISON!r} in data:
        raise UnsupportedGeneralNameType("x", 3)
    return real(data, roots, lower_bound)
order.verify_order = verify_order
"""


def status(role: str) -> dict:
    return next(found for found in json.loads(zegel("status", "--json")) if found["role"] == role)


def rubbish(rng: random.Random) -> list[bytes]:
    frames = [mavlink_frame(rng, number) for number in range(3)]
    made = [
        b"",
        b"\0",
        b"\x01" + rng.randbytes(40),
        b"\x92" + rng.randbytes(90),
        b"\xf0" + rng.randbytes(90),
        rng.randbytes(9),
    ]
    return made + [mutated(rng, frames) for _ in range(5)] + [strange_cbor(rng) for _ in range(5)]


def goes_on(flight, rng: random.Random) -> bool:
    """Whether a frame that is sent now comes to the pilot."""
    frame = mavlink_frame(rng, 0)
    with udp_socket() as fc:
        return flight.until(
            lambda: bool(fc.sendto(frame, (HOST, flight.fc_port))) and frame in flight.stations["pilot"].frames
        )


def test_an_order_at_which_a_library_throws_ends_neither_role(house, fly, tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(SITE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    flight = fly(("observer",))
    flight.wait_open()
    insider, (observer,) = Insider(flight, "pilot"), flight.stations.values()
    (fragment,) = pieces(cose.sign(POISON, TYP, [cose.Signer(STRANGER, (b"no certificate",))]))
    insider.carry(fragment)
    insider.forge(fragment)
    for role in ("air", "ground"):
        assert flight.until(lambda role=role: status(role)["drops"]["unexpected"] == 1), flight.logs()
        found = status(role)
        assert [place.rpartition(" ")[2] for place in found["unexpected"]] == ["UnsupportedGeneralNameType"]
        assert flight.until(lambda role=role: status(role)["alarm_reasons"].get("unexpected", {}).get("live") == 1)
    assert flight.air.running
    assert observer.program.running
    words = ("--agency", house.folder / "agency", "--hours", "1", "-o", house.folder / "new.order")
    zegel("order", "extend", house.order, *words)
    for content in pieces((house.folder / "new.order").read_bytes()):
        insider.carry(content)
        flight.run(0.05)
    assert flight.until(lambda: observer.says("goes on under order 2")), flight.logs()


@pytest.fixture
def open_doors(fly):
    """A flight whose ground has all the sockets that there are, and their ports."""
    ports = {
        "feed": free_port(socket.SOCK_STREAM),
        "tcpin": free_port(socket.SOCK_STREAM),
        "udpin": free_port(),
    }
    plain = ("--gcs", f"tcpin:{HOST}:{ports['tcpin']}", "--gcs", f"udpin:{HOST}:{ports['udpin']}")
    flight = fly(more_ground=("--feed", str(ports["feed"]), *plain))
    flight.wait_open()
    return flight, ports


def test_one_empty_message_to_the_feed_ends_nothing(open_doors):
    """On cb8126d it ended zegel ground with an IndexError."""
    flight, ports = open_doors
    with zmq.Context() as context, context.socket(zmq.SUB) as honest:
        honest.connect(f"tcp://{HOST}:{ports['feed']}")
        honest.subscribe("telemetry")
        assert flight.until(lambda: status("ground")["feed_tcp"]["subscriptions"].get("telemetry") == 1)
        stranger = Stranger((HOST, ports["feed"]))
        stranger.says(b"", b"\7x", *[b"\0telemetry"] * 3)
        assert flight.until(lambda: status("ground")["feed_tcp"]["refused"] == 2), flight.logs()
        assert "refused: 2 messages" in " ".join(zegel("status", "-v").split())
        stranger.close()
        assert flight.stations["pilot"].program.running
        assert goes_on(flight, random.Random(1))
        assert flight.until(lambda: bool(honest.poll(1)) and honest.recv_multipart()[0] == b"telemetry")


def test_rubbish_at_every_socket(open_doors):
    flight, ports = open_doors
    rng, pilot = random.Random(2), flight.stations["pilot"]
    datagrams = [pilot.port, ports["udpin"], flight.fc_port, flight.camera_port]
    streams = [ports["feed"], ports["tcpin"]]
    with udp_socket() as stranger:
        for _ in range(20):
            for datagram in rubbish(rng):
                for port in datagrams:
                    stranger.sendto(datagram, (HOST, port))
            for port in streams:
                with socket.create_connection((HOST, port)) as made:
                    made.sendall(rng.choice((b"", GREETING, GREETING + ready(b"DEALER"))) + b"".join(rubbish(rng)))
                    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
            flight.run(0.05)
    assert flight.air.running
    assert pilot.program.running
    for role in ("air", "ground"):
        assert status(role)["unexpected"] == {}, "every refusal is one that was thought of"
    assert status("ground")["drops"]["not_zegel"] > 0
    assert goes_on(flight, rng)
