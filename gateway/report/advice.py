"""Advice: what is wrong, and what to do, in one line.

What lives here: pure functions of what is known to the words for a person. What must not: finding it out, printing it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from gateway.report.alarms import Reason
from keys.grant import Profile
from keys.order import OrderStation

READY = "commands go up"
Status: TypeAlias = Mapping[str, Any]  # as `zegel status --json` prints it

SETTLED_AFTER_S = 5.0  # a process this young is still opening its endpoints
LOSS_TOLD_PERCENT = 10.0
UNOPENED_TOLD_A_SECOND = 0.5  # the least that an aircraft says on a narrow link
ROUND_ADVISED_S = 10.0  # who joins waits for a round of announcements; longer than this is felt


def too_large_for_link(round_s: float, stations: Iterable[OrderStation]) -> bool:
    """Whether the order's announcements are; False if nothing smaller exists."""
    return round_s > ROUND_ADVISED_S and any(station.profile is not Profile.X25519 for station in stations)


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


def _kept_out(status: Status) -> str:
    """Another user's program at a plain endpoint."""
    kept_out: str = status["alarm_reasons"].get(Reason.USER_KEPT_OUT.label, {}).get("text", "")
    return kept_out


def _kept_back(status: Status) -> str:
    """While it happens. HEARTBEAT comes from every ground control station, so under some policies it always is."""
    alarms = [status["alarm_reasons"].get(reason.label) for reason in (Reason.GUARDED, Reason.GUARDED_HERE)]
    if not any(alarm and alarm["live"] for alarm in alarms):
        return ""
    held = [(name, station) for station, counts in status["kept_back"].items() for name in counts if name != "HEARTBEAT"]
    if not held:
        return ""
    name, station = held[-1]
    return f"{name} from station {station!r} is kept back by its guard policy: if it needs that, the order must say another"


def _devices(status: Status) -> str:
    """Aircraft that may not be what they say, and what could not be told to one of them."""
    reasons = (Reason.REVOKED_HEARD, Reason.SYSTEM_TWICE, Reason.NOT_ROUTED)
    alarms = [status["alarm_reasons"].get(reason.label, {}) for reason in reasons]
    return next((str(alarm["text"]) for alarm in alarms if alarm.get("live")), "")


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
    """Late in a link's own queue, or before it was sealed, because no link that is up had room."""
    links = _uses(status, "link")
    slow = [link for link in links if link["late_per_s"]]
    if status["late_per_s"]:
        slow += [link for link in links if link["state"] == "connected"]
    if not slow:
        return ""
    return f"the link {slow[0]['endpoint']} is too slow for what it is given: lower the flight controller's stream rates"


def _unsaved(status: Status) -> str:
    return f"{status['unsaved']}: free it or mount it writable, the flight goes on meanwhile" if status["unsaved"] else ""


def _order_over(status: Status) -> str:
    over = status["alarm_reasons"].get(Reason.ORDER_OVER.label)
    if not over or not over["live"]:
        return ""
    return f"{over['text']}: load a newer one, zegel device load-order, before the next flight"


def _oversize(status: Status) -> str:
    count = status["drops"].get("oversize")
    return (
        f"{count} video datagrams were too large for the link: set the encoder to 1200 bytes (see the alarm)"
        if count
        else ""
    )


def _late_commands(status: Status) -> str:
    count = status["drops"].get("stale_echo")
    if not count:
        return ""
    return f"{count} commands came too late and were refused: a slow or lossy link, or somebody who held them back"


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


def _delayed(status: Status) -> str:
    late = [session["late_s"] for session in status["sessions"] if session["state"].startswith("delayed")]
    if not late or status["sealed"]:
        return ""
    return f"what comes is {late[0]:.1f} s later than before, so it is not opened: the link is overloaded, or held back"


def _not_ours(status: Status) -> str:
    if status["sessions"] or not status["drops"].get("not_zegel"):
        return ""
    return "what comes on the link is not zegel: another program sends to this port"


def _another_operation(status: Status) -> str:
    """Only if it comes steadily: a control datagram that the radio damaged does not open either."""
    ours = {session["state"] for session in status["sessions"]} - {"silent", "ended by the aircraft"}
    if ours or not _settled(status) or status["unopened_per_s"] < UNOPENED_TOLD_A_SECOND:
        return ""
    return "control of another operation, or forgeries: load the right order"


def _no_session(status: Status) -> str:
    if status["sessions"] or not _settled(status):
        return ""
    return "datagrams come, but no aircraft of this order: is it the right order, and the right aircraft?"


def _waiting_for_keys(status: Status) -> str:
    states = [session["state"] for session in status["sessions"]]
    if status["sealed"] or "beat verified, waiting for our keys" not in states or not _settled(status):
        return ""
    return "the aircraft is heard, its keys for this station are not yet: on a narrow or lossy link this takes a while"


def _closed_to_us(status: Status) -> str:
    closed = any(session["state"].startswith("closed to us") for session in status["sessions"])
    if not closed or status["sealed"]:
        return ""
    return "the aircraft flies under an order that does not list this station: ask the agency whether it was revoked"


def _order_pending(status: Status) -> str:
    if not any("order pending" in session["state"] for session in status["sessions"]):
        return ""
    return (
        "the aircraft flies under a newer order, which comes by the link: commands wait for it; a copy by file is quicker"
    )


def _order_expired(status: Status) -> str:
    if not any("order expired" in session["state"] for session in status["sessions"]):
        return ""
    return "the order has ended, the aircraft flies on under it: get a newer one before the next flight"


def _no_commands(status: Status) -> str:
    """Only where somebody wanted to command."""
    refused = {name for name, count in status["commands"].items() if count and name not in {"sent", "guarded"}}
    if not refused or not status["sealed"]:
        return ""
    if "observer" in refused:
        return "what the ground control station sends is refused: this station may not command by the order"
    answers = [session["commands"] for session in status["sessions"] if session["state"].startswith("open")]
    waiting = [answer for answer in answers if answer != READY]
    return f"commands were refused: {waiting[0]}" if waiting else ""


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
    if gcs[0]["endpoint"].startswith("udpout:"):
        return ""  # it can be started at any time, and is found by itself
    return f"no ground control station has come to {gcs[0]['endpoint']}: connect it there"


_AIR: tuple[Callable[[Status], str], ...] = (
    *(_links_down, _kept_out, _fc_down, _fc_silent, _fc_noise, _order_over, _unsaved),
    *(_link_slow, _one_link_down, _oversize, _late_commands, _kept_back),
)
_GROUND: tuple[Callable[[Status], str], ...] = (
    *(
        _links_down,
        _kept_out,
        _nothing_heard,
        _wrong_order,
        _refused,
        _delayed,
        _not_ours,
        _another_operation,
        _no_session,
        _closed_to_us,
        _order_pending,
    ),
    *(_waiting_for_keys, _order_expired, _no_commands, _one_link_down, _link_lossy, _no_gcs, _kept_back, _devices),
)
