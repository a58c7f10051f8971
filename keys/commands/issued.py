"""Issued: what is said of an order that was just signed, the first one of an operation or one that amends another.

What lives here: sentences, and a station's public file as an order lists it. What must not: arguments, a rule of orders.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keys import order_text
from keys.commands import arguments
from keys.commands.arguments import Listing
from keys.commands.terminal import show
from keys.folders import files, station_public
from keys.folders.files import Kind
from keys.folders.station_public import StationPublic
from keys.lanes import Role, role_names
from keys.order import VerifiedOrder
from keys.order_station import OrderStation


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


def said(station: OrderStation) -> str:
    policy = f", guard policy {station.guard}" if station.roles & Role.COMMAND else ""
    return f"station {station.name!r}: {', '.join(role_names(station.roles))}{policy}"


def say_weaknesses(issued: VerifiedOrder) -> None:
    if without := order_text.unlisted(issued.content):
        show(f"  note: {without}; --device drone.crt:1 lists them, in an order that exists zegel order systems")
    if weak := order_text.classical(issued.content):
        show(f"  note: {weak}; zegel station init --profile x-wing makes a key that holds")
    if large := order_text.too_large(issued.raw):
        show(f"  note: {large}")


def load(order_file: Path) -> str:
    return f"zegel device load-order DIR {arguments.word(order_file)}"
