"""In clear: which plain endpoints lead to another computer. An operator may choose that (a tablet as the ground control
station, a network camera), so it is an alarm and not a refusal.

A serial line and loopback belong to this computer. A name other than localhost counts as another computer, because its
address can change.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.endpoints import Endpoint
from gateway.endpoints.address import Address
from gateway.report.alarms import Alarms, Reason

MAVLINK, VIDEO = "telemetry and commands are", "video is"
LISTENS = ("udpin", "tcpin")


def alarm(alarms: Alarms, mavlink: Iterable[Endpoint], video: Iterable[Endpoint], now: float) -> None:
    """Raise one alarm for each endpoint that carries data in clear to another computer."""
    for what, endpoints in ((MAVLINK, mavlink), (VIDEO, video)):
        for address in (endpoint.address for endpoint in endpoints):
            if address.leaves_computer:
                alarms.raise_(Reason.PLAIN_IN_CLEAR, now, key=f"{what} {address}", what=what, where=_far_end(address))


def _far_end(address: Address) -> str:
    return f"anyone who reaches {address}" if address.kind in LISTENS else str(address)
