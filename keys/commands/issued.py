"""Issued: what is said of an order that was just signed, the first one of an operation or one that amends another.

What lives here: sentences, and the public files of stations and recording keys as an order lists them. What must not:
arguments, a rule of orders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from keys import order_text
from keys.certificate import fingerprint
from keys.commands import arguments
from keys.commands.arguments import Listing
from keys.commands.terminal import show
from keys.folders import files, recording_public, station_public
from keys.folders.files import Kind
from keys.folders.station_public import StationPublic
from keys.lanes import Role, role_names
from keys.order import Order, VerifiedOrder, classical_keys
from keys.order_station import OrderRecording, OrderStation
from keys.policy import PolicyFlag


def publics(given: Sequence[Listing]) -> list[StationPublic]:
    return [station_public.parse(files.read(Kind.STATION, Path(listing.name)), listing.name) for listing in given]


def listed(given: Sequence[Listing], publics: Sequence[StationPublic], issuer: str) -> list[OrderStation]:
    """Stations as the order lists them."""
    return [
        OrderStation(
            *(index, public.name, public.profile, public.pub, listing.roles, listing.guard),
            public.agency if public.agency != issuer else None,
        )
        for index, (listing, public) in enumerate(zip(given, publics, strict=True), 1)
    ]


def recording_keys(paths: Iterable[Path]) -> list[OrderRecording]:
    """Recording keys as the order lists them."""
    publics = [recording_public.parse(files.read(Kind.RECORDING, path), path) for path in paths]
    return [OrderRecording(number, key.name, key.profile, key.pub) for number, key in enumerate(publics, 1)]


def said_of_recording(order: Order) -> Iterator[str]:
    """What is recorded aboard, and which keys open it."""
    for key in order.recording:
        yield f"recording key {key.name!r}; key fingerprint {fingerprint(key.pub)}"
    if not order.recording:
        yield "nothing is recorded aboard: no recording key is listed"
    elif order.policy.flags & PolicyFlag.VIDEO_ON_REQUEST:
        yield "video is recorded only while a station asks for it"


def said(station: OrderStation) -> str:
    policy = f", guard policy {station.guard}" if station.roles & Role.COMMAND else ""
    return f"station {station.name!r}: {', '.join(role_names(station.roles))}{policy}"


def say_weaknesses(issued: VerifiedOrder) -> None:
    if without := order_text.unlisted(issued.content):
        show(f"  note: {without}; --device drone.crt:1 lists them, in an order that exists zegel order systems")
    if weak := order_text.classical(issued.content):
        stations = any(isinstance(key, OrderStation) for key in classical_keys(issued.content))
        makes = "station init" if stations else "recording keygen"
        show(f"  note: {weak}; zegel {makes} --profile x-wing makes a key that holds")
    if large := order_text.too_large(issued.raw):
        show(f"  note: {large}")


def load(order_file: Path) -> str:
    return f"zegel device load-order DIR {arguments.word(order_file)}"
