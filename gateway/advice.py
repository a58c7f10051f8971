"""Advice: what is wrong, and what to do, in one line.

What lives here: pure functions of what is known to the words for a person. What must not: finding it out, printing it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from keys.grant import Profile
from keys.order import OrderStation

Status: TypeAlias = Mapping[str, Any]  # as `zegel status --json` prints it

SETTLED_AFTER_S = 5.0  # a process this young is still opening its endpoints
LOSS_TOLD_PERCENT = 10.0
ROUND_ADVISED_S = 10.0  # who joins waits for a round of announcements; longer than this is felt


def profile(round_s: float, stations: Iterable[OrderStation]) -> str:
    """Whether the order's announcements are too large for the link; empty if not, or if nothing smaller exists."""
    if round_s <= ROUND_ADVISED_S or all(station.profile is Profile.X25519 for station in stations):
        return ""
    return (
        f"on this narrow link the keys of all stations take {round_s:.0f} s, and who joins waits so long:"
        " make the stations with --profile x25519 for such a link"
    )


def advise(status: Status) -> str:
    """The first thing that is wrong, and what to do, in one line; empty if all is well. Causes come before effects."""
    for look in _AIR if status["role"] == "air" else _GROUND:
        if line := look(status):
            return line
    return ""


def _uses(status: Status, use: str) -> list[Status]:
    return [end for end in status["endpoints"] if end["use"] == use]


def _settled(status: Status) -> bool:
    return bool(status["uptime_s"] >= SETTLED_AFTER_S)


# --- either side ---


def _links_down(status: Status) -> str:
    links = _uses(status, "link")
    if any(link["state"] in {"connected", "idle"} for link in links):
        return ""
    return next((f"no link is up: {link['last_error']}" for link in links if link["last_error"]), "")


def _one_link_down(status: Status) -> str:
    down = [link for link in _uses(status, "link") if link["state"] == "reconnecting" and link["last_error"]]
    return f"the link {down[0]['endpoint']} is down, the others carry on: {down[0]['last_error']}" if down else ""


# --- aboard ---


def _fc_down(status: Status) -> str:
    (fc,) = _uses(status, "fc")
    return f"no flight controller: {fc['last_error']}" if fc["state"] == "reconnecting" and fc["last_error"] else ""


def _fc_silent(status: Status) -> str:
    (fc,) = _uses(status, "fc")
    if not _settled(status) or fc["rx_per_s"]:
        return ""
    return f"nothing comes from the flight controller at {fc['endpoint']}: check the cable and that the port speaks MAVLink"


def _fc_noise(status: Status) -> str:
    (fc,) = _uses(status, "fc")
    if status["frames"] or not fc["rx_bytes"] or not _settled(status):
        return ""
    return f"bytes come from {fc['endpoint']} but no MAVLink: is the baud rate that of the flight controller?"


def _link_slow(status: Status) -> str:
    slow = [link for link in _uses(status, "link") if link["late_per_s"]]
    if not slow:
        return ""
    return f"the link {slow[0]['endpoint']} is too slow for what it is given: lower the flight controller's stream rates"


# --- at a station ---


def _nothing_heard(status: Status) -> str:
    links = _uses(status, "link")
    if not _settled(status) or any(link["rx_per_s"] for link in links):
        return ""
    if status["sessions"]:
        return "the link is silent: the aircraft is off, out of range, or the network in between is down"
    ports = ", ".join(link["endpoint"] for link in links)
    return f"nothing comes to {ports}: does the aircraft's --link name this computer, and does the firewall let it in?"


def _wrong_order(status: Status) -> str:
    if not status["drops"].get("unknown_order") or status["sealed"]:
        return ""
    return "the aircraft flies under another order than this station: get the order in force, and start with it"


def _refused(status: Status) -> str:
    if not status["drops"].get("older_session") or status["sealed"]:
        return ""
    return "an older session is refused: a recording played back, or an aircraft that was rolled back; see the alarm"


def _not_ours(status: Status) -> str:
    if status["sessions"] or not status["drops"].get("not_zegel"):
        return ""
    return "what comes on the link is not zegel: another program sends to this port"


def _no_session(status: Status) -> str:
    if status["sessions"] or not _settled(status):
        return ""
    return "datagrams come, but no aircraft of this order: is it the right order, and the right aircraft?"


def _waiting_for_keys(status: Status) -> str:
    states = [session["state"] for session in status["sessions"]]
    if status["sealed"] or "beat verified, waiting for our keys" not in states or not _settled(status):
        return ""
    return "the aircraft is heard, its keys for this station are not yet: on a narrow or lossy link this takes a while"


def _link_lossy(status: Status) -> str:
    for link in _uses(status, "link"):
        if link["loss_percent"] >= LOSS_TOLD_PERCENT:
            lost = f"{link['loss_percent']:.0f} %"
            return f"the link {link['endpoint']} loses {lost}: range, antenna, interference, or more video than it carries"
    return ""


def _no_gcs(status: Status) -> str:
    gcs = _uses(status, "gcs")
    if not gcs or any(end["state"] != "idle" for end in gcs):
        return ""
    return f"no ground control station has come to {gcs[0]['endpoint']}: connect it there"


_AIR: tuple[Callable[[Status], str], ...] = (_links_down, _fc_down, _fc_silent, _fc_noise, _link_slow, _one_link_down)
_GROUND: tuple[Callable[[Status], str], ...] = (
    *(_links_down, _nothing_heard, _wrong_order, _refused, _not_ours, _no_session, _waiting_for_keys),
    *(_one_link_down, _link_lossy, _no_gcs),
)
