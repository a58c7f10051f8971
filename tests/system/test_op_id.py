"""op_id is half a secret: what two real flights sent, said and wrote outside the order and the folders."""

from __future__ import annotations

import base64
import random
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gateway.core import sframe
from gateway.core.wire import FIRST_CONTROL
from gateway.demo.stage import HOST
from gateway.report import metrics
from gateway.report.status_socket import read_all
from keys.certificate import groups
from keys.operation_key import control_key, op_tag
from keys.order import parse_order
from tests.memory_link import mavlink_frame
from tests.system.house import Flight, House, zegel

LINKED = 8  # bytes that two datagrams would have to share to be told to belong together
FLIGHT_S, STEP_S = 6.0, 0.01


def fly_on(flight: Flight, rng: random.Random) -> None:
    """With frames and pictures, and challenges up."""
    flight.wait_open()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for seq in range(int(FLIGHT_S / STEP_S)):
            out.sendto(mavlink_frame(rng, seq), (HOST, flight.fc_port))
            out.sendto(rng.randbytes(1000), (HOST, flight.camera_port))
            flight.run(STEP_S)


def bodies(datagrams: Iterable[bytes]) -> Iterator[bytes]:
    """Of control datagrams what stands behind the first byte, of others what stands behind the SFrame header."""
    for datagram in datagrams:
        yield datagram[1 if datagram[0] == FIRST_CONTROL else sframe.decode_header(datagram)[2] :]


def pieces(datagrams: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    """Every piece of `LINKED` bytes, at whatever place, once."""
    views = [
        np.lib.stride_tricks.sliding_window_view(np.frombuffer(body, np.uint8), LINKED)
        for body in bodies(datagrams)
        if len(body) >= LINKED
    ]
    return np.unique(np.ascontiguousarray(np.concatenate(views)).view(np.uint64))


def shared(first: Iterable[bytes], second: Iterable[bytes]) -> int:
    return int(np.intersect1d(pieces(first), pieces(second), assume_unique=True).size)


def test_two_flights_of_one_aircraft_have_no_8_bytes_in_common(house: House, fly: Callable[..., Flight], figure):
    captures = []
    for seed in (1, 2):
        flight = fly(("pilot", "observer"))
        fly_on(flight, random.Random(seed))
        captures.append([*flight.radio.capture, *(datagram for _, datagram in flight.radio.up)])
        flight.end()
    first, second = captures
    kinds = {datagram[0] >> 4 for datagram in first}
    assert kinds == {0, 9, 15}  # control, down, up
    assert shared(first, second) == 0
    assert shared([*first, second[3]], second) > 0  # it can be seen
    count = len(first) + len(second)
    figure(f"two flights of one aircraft, {count:,} datagrams: no {LINKED} bytes behind first byte and header in both")


def spellings(op_id: bytes) -> list[bytes]:
    """As a program or a person may have written it."""
    text = [op_id.hex(), op_id.hex(" "), op_id.hex(":"), groups(op_id), repr(op_id)[2:-1], str([*op_id]), str(op_id)]
    text += [str(int.from_bytes(op_id, "big")), base64.b64encode(op_id).decode(), base64.urlsafe_b64encode(op_id).decode()]
    return [op_id, *(word.encode() for each in text for word in (each.rstrip("="), each.upper()))]


def found(op_id: bytes, where: Iterable[bytes]) -> list[bytes]:
    return [place for place in where if any(word in place for word in spellings(op_id))]


def test_op_id_is_on_no_link_in_no_log_and_in_no_name(house: House, fly: Callable[..., Flight]):
    order = parse_order(house.order.read_bytes())
    flight = fly(("pilot", "observer"))
    fly_on(flight, random.Random(3))
    root, later = house.folder / "agency/root/root.crt", house.folder / "later.order"
    said = [
        flight.logs(),
        zegel("status", "--json"),
        zegel("status"),
        metrics.text(read_all()),
        zegel("order", "show", house.order),
        zegel("order", "verify", house.order, "--root", root),
        zegel("order", "extend", house.order, "--hours", 1, "--agency", house.folder / "agency", "-o", later),
        zegel("device", "load-order", house.folder / "drone-7", later),
    ]
    flight.run(3.0)  # the order is announced, and taken by the stations
    flight.end()
    said.append(flight.logs())
    files = [str(path) for path in Path(house.folder).rglob("*")]
    assert any("/order-" in path for path in files)
    wire = [*flight.radio.capture, *(datagram for _, datagram in flight.radio.up)]
    for half in (order.op_id, control_key(order.op_id)):
        assert not found(half, (text.encode() for text in (*said, *files)))
        assert not found(half, wire)
    assert op_tag(order.op_id).hex() in said[4]  # order show
    assert found(order.op_id, [house.order.read_bytes()])  # the order has it, so it can be found


@pytest.mark.parametrize("words", [b"%s", b"zegel/%s/0102"])
def test_the_search_finds_every_spelling(words: bytes):
    op_id = bytes(range(7, 23))
    for word in spellings(op_id):
        assert found(op_id, [b"", words % word])
