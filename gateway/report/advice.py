"""Advice: one line that says what is wrong and what to do.

What lives here: pure functions of a status to the words for a person. What must not: finding it out, printing it. No
function here compares or searches a text: what it decides by are Enums, numbers, and the keys of counters.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.drop_reason import DropReason
from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report import wording
from gateway.report.alarms import Reason
from gateway.report.order_end import in_words, passed
from gateway.report.role_status import AirStatus, EndpointStatus, GroundStatus, Status, Use

SETTLED_AFTER_S = 5.0  # a younger process is still opening its endpoints
LOSS_TOLD_PERCENT = 10.0
UNOPENED_TOLD_PER_S = 0.5  # the lowest rate of control datagrams of an aircraft on a narrow link
UP = {State.CONNECTED, State.IDLE}
NOT_HEARD = {SessionState.SILENT, SessionState.CLOSED}
NOT_REFUSED = {"sent", DropReason.GUARDED}  # of what a ground counts of commands
HEARTBEAT = "HEARTBEAT"  # as MAVLink's definitions name it


def advise(status: Status) -> str:
    """The first fault and what to do, in one line; empty if there is none. Causes come before their effects."""
    if isinstance(status, AirStatus):
        return next(filter(None, (look(status) for look in _AIR)), "")
    return next(filter(None, (look(status) for look in _GROUND)), "")


def in_one_line(status: Status) -> str:
    """The state of the role, and the fault if there is one: for the service manager."""
    return "; ".join(filter(None, (wording.role(status), advise(status))))


def _settled(status: Status) -> bool:
    return status.uptime_s >= SETTLED_AFTER_S


def _live(status: Status, *reasons: Reason) -> str:
    """The text of the first of these alarms that is live."""
    alarms = [status.alarm_reasons.get(reason.label) for reason in reasons]
    return next((alarm.text for alarm in alarms if alarm and alarm.live), "")


# --- either side ---


def _links_down(status: Status) -> str:
    links = status.of_use(Use.LINK)
    if any(link.state in UP for link in links):
        return ""
    return next((f"no link is up: {link.last_error}" for link in links if link.last_error), "")


def _one_link_down(status: Status) -> str:
    down = [link for link in status.of_use(Use.LINK) if _is_lost(link)]
    return f"the link {down[0].endpoint} is down, the others carry on: {down[0].last_error}" if down else ""


def _is_lost(end: EndpointStatus) -> bool:
    return end.state is State.RECONNECTING and bool(end.last_error)


def _kept_out(status: Status) -> str:
    """A program of another user at a plain endpoint."""
    return _live(status, Reason.USER_KEPT_OUT)


def _kept_back(status: Status) -> str:
    """Only while it happens. Every ground control station sends HEARTBEAT, and some policies always keep it back."""
    if not _live(status, Reason.GUARDED, Reason.GUARDED_HERE):
        return ""
    held = [(name, station) for station, counts in status.kept_back.items() for name in counts if name != HEARTBEAT]
    if not held:
        return ""
    name, station = held[-1]
    held_back = f"{name} from station {station!r} is kept back by its guard policy"
    return f"{held_back}: if the station needs it, the order must name another policy"


def _devices(status: Status) -> str:
    """Aircraft that may not be those that they claim to be, and commands that are for no one aircraft."""
    return _live(status, Reason.REVOKED_HEARD, Reason.SYSTEM_TWICE, Reason.NOT_ROUTED)


def _order_ends(status: Status) -> str:
    left_s = status.order_left_s
    if left_s is None or left_s <= 0 or passed(left_s) is None:
        return ""
    return f"{in_words(left_s)}: get a newer one (zegel order extend) and load it, or land before"


# --- aboard ---


def _fc_down(status: AirStatus) -> str:
    (fc,) = status.of_use(Use.FC)
    return f"no flight controller: {fc.last_error}" if _is_lost(fc) else ""


def _fc_silent(status: AirStatus) -> str:
    (fc,) = status.of_use(Use.FC)
    if not _settled(status) or fc.rx_per_s:
        return ""
    return f"nothing comes from the flight controller at {fc.endpoint}: check the cable and that the port speaks MAVLink"


def _fc_noise(status: AirStatus) -> str:
    (fc,) = status.of_use(Use.FC)
    if status.frames or not fc.rx_bytes or not _settled(status):
        return ""
    return f"bytes come from {fc.endpoint} but no MAVLink: is the baud rate that of the flight controller?"


def _no_picture(status: AirStatus) -> str:
    return _live(status, Reason.NO_PICTURE_ABOARD)


def _link_slow(status: AirStatus) -> str:
    """Data became too old in the queue of a link, or before it was sealed, because no link that is up had room."""
    links = status.of_use(Use.LINK)
    slow = [link for link in links if link.late_per_s]
    if status.late_per_s:
        slow += [link for link in links if link.state is State.CONNECTED]
    if not slow:
        return ""
    return f"the link {slow[0].endpoint} is too slow for what it is given: lower the flight controller's stream rates"


def _unsaved(status: AirStatus) -> str:
    return f"{status.unsaved}: free it or mount it writable, the flight goes on meanwhile" if status.unsaved else ""


def _order_over(status: AirStatus) -> str:
    over = _live(status, Reason.ORDER_OVER)
    if not over:
        return ""
    return f"{over}: load a newer one, zegel device load-order, before the next flight"


def _oversize(status: AirStatus) -> str:
    """Only while it happens."""
    count = status.drops.get(DropReason.OVERSIZE) if _live(status, Reason.VIDEO_OVERSIZE) else 0
    return (
        f"{count} video datagrams were too large for the link: set the encoder to 1200 bytes (see the alarm)"
        if count
        else ""
    )


def _late_commands(status: AirStatus) -> str:
    count = status.drops.get(DropReason.STALE_ECHO)
    if not count:
        return ""
    return f"{count} commands came too late and were refused: the link is slow or lossy, or somebody held them back"


# --- at a station ---


def _nothing_heard(status: GroundStatus) -> str:
    links = status.of_use(Use.LINK)
    if not _settled(status) or any(link.rx_per_s for link in links):
        return ""
    if status.sessions:
        return "the link is silent: the aircraft is off, out of range, or the network in between is down"
    ports = ", ".join(link.endpoint for link in links)
    return f"nothing comes to {ports}: does the aircraft's --link name this computer, and does the firewall let it in?"


def _wrong_order(status: GroundStatus) -> str:
    if not status.drops.get(DropReason.UNKNOWN_ORDER) or status.sealed:
        return ""
    return "the aircraft flies under another order than this station: get the order in force, and start with it"


def _refused(status: GroundStatus) -> str:
    if not status.drops.get(DropReason.OLDER_SESSION) or status.sealed:
        return ""
    return "an older session is refused: a recording is played back, or an aircraft was rolled back; see the alarm"


def _delayed(status: GroundStatus) -> str:
    late = [session.late_s for session in status.sessions if session.state is SessionState.DELAYED]
    if not late or status.sealed:
        return ""
    return f"data comes {late[0]:.1f} s later than before, so it is not opened: an overloaded link, or somebody delays it"


def _not_ours(status: GroundStatus) -> str:
    if status.sessions or not status.drops.get(DropReason.NOT_ZEGEL):
        return ""
    return "the data on the link is not from zegel: another program sends to this port"


def _another_operation(status: GroundStatus) -> str:
    """Only if such datagrams come steadily: a control datagram that the radio damaged does not open either."""
    ours = {session.state for session in status.sessions} - NOT_HEARD
    if ours or not _settled(status) or status.unopened_per_s < UNOPENED_TOLD_PER_S:
        return ""
    return "control of another operation, or forgeries: load the right order"


def _no_session(status: GroundStatus) -> str:
    if status.sessions or not _settled(status):
        return ""
    return "datagrams come, but none from an aircraft of this order: is it the right order, and the right aircraft?"


def _waiting_for_keys(status: GroundStatus) -> str:
    waiting = any(session.state is SessionState.BEATING for session in status.sessions)
    if status.sealed or not waiting or not _settled(status):
        return ""
    return "the aircraft is heard, but not yet its keys for this station: on a narrow or lossy link this takes a while"


def _closed_to_us(status: GroundStatus) -> str:
    closed = any(session.state is SessionState.UNLISTED for session in status.sessions)
    if not closed or status.sealed:
        return ""
    return "the aircraft flies under an order that does not list this station: ask the agency whether it was revoked"


def _order_pending(status: GroundStatus) -> str:
    heard = [session for session in status.sessions if session.state in {SessionState.BEATING, SessionState.OPEN}]
    if not any(session.pending for session in heard):
        return ""
    return "the aircraft flies under a newer order, which comes by the link: commands wait for it; a copy by file is faster"


def _order_expired(status: GroundStatus) -> str:
    over = status.order_left_s is not None and status.order_left_s <= 0
    if not over and not any(session.state is SessionState.OPEN and session.order_expired for session in status.sessions):
        return ""
    return "the order has ended, the aircraft flies on under it: get a newer one before the next flight"


def _no_commands(status: GroundStatus) -> str:
    """Only if a ground control station sent commands."""
    refused = {name for name, count in status.commands.items() if count} - NOT_REFUSED
    if not refused or not status.sealed:
        return ""
    if Refusal.OBSERVER in refused:
        return "what the ground control station sends is refused: this station may not command by the order"
    opened = [session for session in status.sessions if session.state is SessionState.OPEN]
    refusals = [session.refusal for session in opened if session.refusal]
    return f"commands were refused: {wording.REFUSAL[refusals[0]]}" if refusals else ""


def _aboard(status: GroundStatus) -> str:
    """What the aircraft says about itself; of one that is silent nothing is known."""
    if not status.sealed:
        return ""
    return _live(status, Reason.NO_FC_ABOARD, Reason.NO_PICTURE, Reason.CARD_FAILS_ABOARD, Reason.LINKS_DOWN_ABOARD)


def _link_lossy(status: GroundStatus) -> str:
    for link in status.of_use(Use.LINK):
        if (lost := link.loss_percent or 0) >= LOSS_TOLD_PERCENT:
            return (
                f"the link {link.endpoint} loses {lost:.0f} %: range, antenna, interference, or more video than it carries"
            )
    return ""


def _no_gcs(status: GroundStatus) -> str:
    gcs = status.of_use(Use.GCS)
    if not gcs or any(end.state is not State.IDLE for end in gcs):
        return ""
    if not gcs[0].listens:
        return ""  # a program there can be started at any time, and the ground sends to it by itself
    return f"no ground control station has come to {gcs[0].endpoint}: connect it there"


_AIR: tuple[Callable[[AirStatus], str], ...] = (
    *(_links_down, _kept_out, _fc_down, _fc_silent, _fc_noise, _no_picture, _order_over, _order_ends, _unsaved),
    *(_link_slow, _one_link_down, _oversize, _late_commands, _kept_back),
)
_GROUND: tuple[Callable[[GroundStatus], str], ...] = (
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
    *(
        _waiting_for_keys,
        _aboard,
        _order_expired,
        _order_ends,
        _no_commands,
        _one_link_down,
        _link_lossy,
        _no_gcs,
        _kept_back,
        _devices,
    ),
)
