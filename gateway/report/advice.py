"""Advice: one line that says what is wrong and what to do.

What lives here: pure functions of a status to the words for a person. What must not: finding it out, printing it. No
function here compares or searches a text: what it decides by are Enums, numbers, and the keys of rates. None decides by a
counter since the start: what was wrong an hour ago is not wrong now. The role may be in flight, so no cure here ends or
restarts a program that works.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.drop_reason import DropReason
from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report import recording_report, wording
from gateway.report.alarms import Reason, live_text
from gateway.report.order_end import in_words, passed
from gateway.report.role_status import AirStatus, EndpointStatus, GroundStatus, Status, Use
from keys.times import duration

SETTLED_AFTER_S = 5.0  # a younger process is still opening its endpoints
LOSS_TOLD_PERCENT = 10.0
STEADY_PER_S = 0.3  # an aircraft on a narrow link sends 0.5 control datagrams a second, and some are lost
WAITS_TOLD_S = 3.0  # a flight controller by TCP; a shorter burst is no fault
UP = {State.CONNECTED, State.IDLE}
HEARD = {SessionState.BEATING, SessionState.UNLISTED, SessionState.OPEN, SessionState.DELAYED}  # its beats come now
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


def _dropped(status: Status, reason: DropReason) -> float:
    """How often a second that was the reason to drop something, recently."""
    return status.drops_per_s.get(reason, 0.0)


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
    return live_text(status, Reason.USER_KEPT_OUT)


def _kept_back(status: Status) -> str:
    """Every ground control station sends HEARTBEAT, and some policies always keep it back."""
    held = [(name, station) for station, rates in status.kept_back_per_s.items() for name in rates if name != HEARTBEAT]
    if not held:
        return ""
    name, station = held[-1]
    held_back = f"{name} from station {station!r} is kept back by its guard policy"
    return f"{held_back}: if the station needs it, the order must name another policy"


def _devices(status: Status) -> str:
    """Aircraft that may not be those that they claim to be, and commands that are for no one aircraft."""
    return live_text(status, Reason.REVOKED_HEARD, Reason.SYSTEM_TWICE, Reason.NOT_ROUTED)


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
    """Frames count, and not bytes; one that has to wait is heard."""
    (fc,), source = status.of_use(Use.FC), status.aircraft.fc
    if not _settled(status) or source is None or not source.silent:
        return ""
    if fc.rx_per_s:
        return f"bytes come to {fc.endpoint}, but no MAVLink: is the baud rate right, and does only MAVLink come there?"
    return f"nothing comes from the flight controller at {fc.endpoint}: check the cable and that the port speaks MAVLink"


def _no_picture(status: AirStatus) -> str:
    return live_text(status, Reason.NO_PICTURE_ABOARD)


def _link_slow(status: AirStatus) -> str:
    """Data became too old in the queue of a link, or before it was sealed, because no link that is up had room."""
    links = status.of_use(Use.LINK)
    slow = [link for link in links if link.late_per_s]
    if status.late_per_s:
        slow += [link for link in links if link.state is State.CONNECTED]
    if slow:
        return f"the link {slow[0].endpoint} is too slow for what it is given: lower the flight controller's stream rates"
    if status.fc_waits_s >= WAITS_TOLD_S:
        waits = f"the flight controller has had to wait for {status.fc_waits_s:.0f} s"
        return f"the link is too slow, and {waits}: lower its stream rates, unless it sends parameters or a log"
    return ""


def _unsaved(status: AirStatus) -> str:
    if not status.unsaved:
        return ""
    return f"{status.unsaved}: make room there, or after the flight mount it writable; the flight goes on meanwhile"


def _not_recorded(status: AirStatus) -> str:
    """By what the recorder says; what it cannot say itself is the connection's trouble."""
    said = status.recording
    if said.reason is None:
        return ""
    return f"NOT RECORDING, {recording_report.cause(said)}: {recording_report.cure(said)}"


def _little_room(status: AirStatus) -> str:
    if not recording_report.little_room(status.recording):
        return ""
    return f"the card has {duration(status.recording.room_s or 0)} of room for recordings: exchange it, or land before"


def _order_over(status: AirStatus) -> str:
    over = live_text(status, Reason.ORDER_OVER)
    if not over:
        return ""
    return f"{over}: load a newer one, zegel device load-order, before the next flight"


def _oversize(status: AirStatus) -> str:
    if not (rate := _dropped(status, DropReason.OVERSIZE)):
        return ""
    return f"{rate:g} video datagrams a second are too large for the link: set the encoder to 1200 bytes (see the alarm)"


def _late_commands(status: AirStatus) -> str:
    if not _dropped(status, DropReason.STALE_ECHO):
        return ""
    return "commands come too late and are refused: the link is slow or lossy, or somebody holds them back"


# --- at a station ---


def _hears(status: GroundStatus) -> bool:
    """Whether beats of an aircraft of ours come."""
    return any(session.state in HEARD for session in status.sessions)


def _nothing_heard(status: GroundStatus) -> str:
    links = status.of_use(Use.LINK)
    if not _settled(status) or _hears(status) or any(link.rx_per_s for link in links):
        return ""
    if status.sessions:
        return "the link is silent: the aircraft is off, out of range, or the network in between is down"
    ports = ", ".join(link.endpoint for link in links)
    return f"nothing comes to {ports}: does the aircraft's --link name this computer, and does the firewall let it in?"


def _refused(status: GroundStatus) -> str:
    if status.sealed or not _dropped(status, DropReason.OLDER_SESSION):
        return ""
    return "an older session is refused: a recording is played back, or an aircraft was rolled back; see the alarm"


def _delayed(status: GroundStatus) -> str:
    late = [session.late_s for session in status.sessions if session.state is SessionState.DELAYED]
    if not late or status.sealed:
        return ""
    return f"data comes {late[0]:.1f} s later than before, so it is not opened: an overloaded link, or somebody delays it"


def _another_operation(status: GroundStatus) -> str:
    """Only if such datagrams come steadily: a control datagram that the radio damaged does not open either."""
    if _hears(status) or not _settled(status) or _dropped(status, DropReason.UNOPENED_CONTROL) < STEADY_PER_S:
        return ""
    return "control of another operation, or forgeries: load the right order"


def _not_ours(status: GroundStatus) -> str:
    if _hears(status) or not _dropped(status, DropReason.NOT_ZEGEL):
        return ""
    return "the data on the link is not from zegel: another program sends to this port"


def _no_session(status: GroundStatus) -> str:
    if _hears(status) or not _settled(status):
        return ""
    if status.sessions:
        return "datagrams come, but none from the aircraft that was heard: it is off, out of range, or under another order"
    return "datagrams come, but none from an aircraft of this order: is it the right order, and the right aircraft?"


def _closed_to_us(status: GroundStatus) -> str:
    closed = any(session.state is SessionState.UNLISTED for session in status.sessions)
    if not closed or status.sealed:
        return ""
    return "the aircraft flies under an order that does not list this station: ask the agency whether it was revoked"


def _order_pending(status: GroundStatus) -> str:
    """The order comes in a lane that is sealed too, so only to a station that opens it."""
    pending = {session.state for session in status.sessions if session.pending}
    if SessionState.OPEN in pending:
        if live_text(status, Reason.LINK_ORDER_UNFIT):
            return "the aircraft flies under an order that does not succeed this station's: load the one in force aboard"
        return "the aircraft flies under a newer order, which comes by the link: commands wait for it; a file is faster"
    if SessionState.BEATING in pending and not status.sealed:
        return "the aircraft flies under another order, and no keys for this station have come: get the order in force"
    return ""


def _waiting_for_keys(status: GroundStatus) -> str:
    waiting = any(session.state is SessionState.BEATING for session in status.sessions)
    if status.sealed or not waiting or not _settled(status):
        return ""
    return "the aircraft is heard, but not yet its keys for this station: on a narrow or lossy link this takes a while"


def _order_expired(status: GroundStatus) -> str:
    over = status.order_left_s is not None and status.order_left_s <= 0
    if not over and not any(session.state is SessionState.OPEN and session.order_expired for session in status.sessions):
        return ""
    return "the order has ended, the aircraft flies on under it: get a newer one before the next flight"


def _no_commands(status: GroundStatus) -> str:
    """Only if a ground control station sends commands."""
    refused = status.commands_per_s.keys() - NOT_REFUSED
    opened = [session for session in status.sessions if session.state is SessionState.OPEN]
    refusals = {session.refusal for session in opened if session.refusal}
    if not status.sealed:
        return ""
    if Refusal.OBSERVER in refusals and live_text(status, Reason.MAY_NOT_COMMAND):
        return "what the ground control station sends is refused: this station may not command by the order"
    if DropReason.LATE in refused:
        return "commands had waited in this computer for too long and are refused: it is overloaded, or stood still"
    found = next((refusal for refusal in sorted(refusals) if refusal in refused), None)
    return f"commands are refused: {wording.REFUSAL[found]}" if found else ""


def _aboard(status: GroundStatus) -> str:
    """What the aircraft says about itself; of one that is silent nothing is known."""
    if not status.sealed:
        return ""
    card = (Reason.CARD_FAILS_ABOARD, Reason.NOT_RECORDED_ABOARD, Reason.LITTLE_ROOM_ABOARD)
    return live_text(status, Reason.NO_FC_ABOARD, Reason.NO_PICTURE, *card, Reason.LINKS_DOWN_ABOARD)


def _path_narrow(status: GroundStatus) -> str:
    """The smallest mtu passes every IPv6 network, and sealed datagrams of such an encoder fit it."""
    for link in status.of_use(Use.LINK):
        if link.carries_up_to is not None:
            lost = f"the link {link.endpoint} carries no datagram of more than {link.carries_up_to} bytes"
            return f"{lost}: set the encoder to 1200 bytes (pkt_size), and mtu = 1232 in air.toml before the next flight"
    return ""


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
    *(_links_down, _kept_out, _fc_down, _fc_silent, _no_picture, _not_recorded, _order_over, _order_ends, _unsaved),
    *(_link_slow, _one_link_down, _little_room, _oversize, _late_commands, _kept_back),
)
_GROUND: tuple[Callable[[GroundStatus], str], ...] = (
    *(_links_down, _kept_out, _nothing_heard, _refused, _delayed, _another_operation, _not_ours, _no_session),
    *(_closed_to_us, _order_pending, _waiting_for_keys, _aboard, _order_expired, _order_ends, _no_commands),
    *(_one_link_down, _path_narrow, _link_lossy, _no_gcs, _kept_back, _devices),
)
