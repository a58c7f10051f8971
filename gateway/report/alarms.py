"""Alarms: what a person must know, in sentences that are fixed here. For both roles.

What lives here: the sentences, and which alarms are live. What must not: detecting a fault, printing a line.

An alarm is a reason, and a key where one reason can have several causes at once, such as a station. Only its arguments come
from elsewhere. They are bounded and escaped, so the author of an order or a name cannot write a sentence here. An event
is something that happened: its alarm ends when it has not happened again for EVENT_LASTS_S. A state is something that
lasts: its alarm ends when `clear` is called.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from gateway.report.role_status import AlarmStatus, Status
from keys.printable import printable

EVENT_LASTS_S = 300.0
STRANGER_LASTS_S = 10.0  # a program that is still there is seen twice a second
LIVE_MAX = 64  # live alarms; then a reason that has many makes room for one that has few
ARGUMENT_MAX = 200  # characters of one argument, escaped


class _Event(NamedTuple):
    words: str
    lasts_s: float = EVENT_LASTS_S


class _State(NamedTuple):
    words: str
    lasts_s: float = float("inf")


class Reason(enum.Enum):
    """Why there is an alarm. `words` names the arguments that `Alarms.raise_` takes with it."""

    # --- both roles ---
    UNEXPECTED = _Event("something unexpected was met and dropped, at {place}: please report this line")  # core/barrier.py
    USER_KEPT_OUT = _Event(
        "a program of user '{user}' (uid {uid}) at {peer} is kept out of {endpoint}: it is neither heard nor sent to;"
        " run it as a user who is allowed, or from the next start on let it in: {cure}",
        STRANGER_LASTS_S,
    )
    SENDER_UNTOLD = _Event(
        "data for {endpoint} from {peer} on this computer was dropped: no known program has that port, or"
        " one has just closed it; if yours has it, another shares the port: give yours its own port, or connect by TCP",
        STRANGER_LASTS_S,
    )
    USERS_HIDDEN = _Event(
        "a program of user nobody at {peer} is kept out of {endpoint}: Linux shows that name for every user"
        " that zegel may not see (PrivateUsers= in a unit, or a container), and none of them is let in",
        STRANGER_LASTS_S,
    )
    USERS_UNREADABLE = _State("no program on this computer is let in: the users of its programs cannot be read, {error}")
    USERS_NOT_TOLD = _State("this system does not say which user has a port: any program here can use the plain endpoints")
    PLAIN_USER_UNKNOWN = _State("plain_users names '{user}', which is no user of this computer: it lets no program in")

    PLAIN_IN_CLEAR = _State("{what} in clear between this computer and {where}")

    # --- aboard ---
    ORDER_OVER = _State("the order {limit}; the aircraft may be in flight, so it goes on")
    SEEN_BY_VENDOR = _State(
        "the order is confidential, and pictures are held by {vendors} before they are sealed; the aircraft may be in"
        " flight, so it goes on"
    )
    INBOX_REFUSED = _Event("an order that was handed over is refused: {error}")
    INBOX_BROKEN = _State("orders cannot be handed over: {error}")
    CARRIED_REFUSED = _Event("station '{station}' sent an order that was refused: {kind}")
    NUMBER_TWICE = _State("{error}; tell the agency")  # of either role
    CARRIED_UNFIT = _Event("station '{station}' sent an order that does not succeed the one in force: refused")
    STATE_DAMAGED = _State("{damage}")  # one of the few sentences of DeviceFolder.damage
    STATE_UNSAVED = _State("not stored: {error}")
    GUARDED = _Event("kept back: {message}, {times} (guard policy '{policy}' of station '{station}')")
    ADDRESS_KEPT = _Event(
        "kept aboard: {message}, {times}: with the address in it a station would fetch a picture or a file around the seal;"
        " send the picture to a video endpoint of zegel air, and for the stations to find it: rewrite = true in air.toml"
    )
    TOO_MANY_SENDERS = _Event(
        "more than {limit} senders at once with the key of one station: it restarts in a loop, or its key was copied"
    )
    VIDEO_OVERSIZE = _Event(
        "a video datagram of {size} bytes does not fit: sealed, the link of {mtu} takes {limit};"
        " ask the encoder for smaller ones (ffmpeg pkt_size=1200, GStreamer rtph264pay mtu=1200)"
    )
    NO_PICTURE_ABOARD = _State(
        "no picture for {seconds} s: nothing comes to {endpoint}; check the camera, and the program that sends from it"
    )
    NOT_RECORDED = _State("not all is recorded that should be: {why}; the flight goes on; {cure}")
    LITTLE_ROOM = _State("the card for recordings has room for less than {minutes} minutes")
    ANNOUNCEMENTS_SLOW = _State(
        "on this narrow link the keys of all stations take {seconds} s, and a station that joins waits that long:"
        " create the stations with --profile x25519 for such a link"
    )

    # --- at a station ---
    NO_FC_ABOARD = _State(
        "no flight controller at the aircraft '{device}': nothing has come from it there {since}; commands reach nothing"
    )
    NO_PICTURE = _State("no picture for {seconds} s: camera {camera} of '{device}' gives the aircraft nothing")
    SEEN_BY_VENDOR_ABOARD = _State(
        "the order is confidential, and a vendor holds the pictures of '{device}' before they are sealed"
    )
    CARD_FAILS_ABOARD = _State("'{device}' cannot store what it must: its card may be full or read-only")
    NOT_RECORDED_ABOARD = _State("'{device}' does not record all that it should: {why}")
    LITTLE_ROOM_ABOARD = _State("the card of '{device}' has room for less than {minutes} minutes of recordings")
    LINKS_DOWN_ABOARD = _State("links of '{device}' that are down aboard: {count}")
    LINK_NOT_RECORDED = _State("not all that comes by the links is recorded: {why}; everything else goes on")
    ORDER_ENDED = _State("the order has ended; this station goes on as long as the aircraft does")
    ORDER_UNSAVED = _State("the order is not stored: {error}")
    LINK_ORDER_REFUSED = _Event("an order that came by the link is refused: {kind}")
    LINK_ORDER_UNFIT = _Event("an order that came by the link does not succeed the one in force: refused")
    FILE_ORDER_REFUSED = _State("the order file is refused: {error}")
    FILE_ORDER_UNFIT = _State(
        "the order file is now for another operation: for that, start zegel ground again after this flight"
    )
    FEED_IN_CLEAR = _State("the feed at {address} is in clear, and not only this computer can read it")
    BOOTS_UNSAVED = _State("starts of aircraft are not stored: {error}")
    OLDER_SESSION = _Event(
        "refused a session of '{device}' with boot counter {heard}, although {known} was heard before: a recording, an"
        " aircraft whose folder was rolled back, or an attacker has its key; if it is the real aircraft:"
        " --accept-older-session {device}:{heard}"
    )
    TWO_AIRCRAFT = _Event("two aircraft: two sessions of one device key are alive, and one of them is a copy")
    NOT_MAVLINK = _Event(
        "a program that connected to {endpoint} does not begin with MAVLink, and was disconnected: another kind of"
        " program of this computer, or a page in its browser that tries to command"
    )
    MAY_NOT_COMMAND = _Event("this station may not command by the order: what its ground control station sends is refused")
    REVOKED_HEARD = _Event(
        "the revoked aircraft '{device}' is heard: somebody who has it, or its key, transmits; nothing from it is accepted"
    )
    SYSTEM_TWICE = _Event(
        "aircraft '{device}' sends as system {system}, which is that of '{owner}': dropped. Give each aircraft a number of"
        " its own (SYSID_THISMAV, MAV_SYS_ID) and list it in the order; or an attacker has the key of one of them"
    )
    NOT_ROUTED = _Event("kept back: {message}, {times}: {why}")
    GUARDED_HERE = _Event("kept back: {message}, {times} (guard policy '{policy}')")

    @property
    def label(self) -> str:
        """Its name in the status and the metrics."""
        return self.name.lower()


@dataclasses.dataclass(slots=True)
class _Alarm:
    text: str
    heard_at: float


class _Arguments(dict[str, str]):
    def __missing__(self, name: str) -> str:
        """A missing argument costs one word of a sentence, and never a flight."""
        return "?"


class Alarms:
    """The alarms of one process. `say` prints one line when an alarm begins, and one when it is over.

    `tell` is told the same, and whether it is over, for a recording.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.tell: Callable[[str, bool], None] = lambda _text, _over: None
        self._live: dict[tuple[Reason, str], _Alarm] = {}  # in the order of their beginning
        self._began: Counter[Reason] = Counter()

    def raise_(self, reason: Reason, now: float, *, key: object = "", **arguments: object) -> None:
        """The reason holds at `now`, on the monotonic clock. Call it each time that this is found; the first prints a line.

        `key` is one of a few values that the caller knows, such as an index in the order: never a text that was received.
        """
        text = _text(reason, arguments)
        if alarm := self._live.get((reason, str(key))):
            alarm.text, alarm.heard_at = text, now
            return
        if len(self._live) >= LIVE_MAX and not self._make_room(reason):
            return
        self._live[reason, str(key)] = _Alarm(text, now)
        self._began[reason] += 1
        self._say(f"alarm: {text}")
        self.tell(text, False)

    def clear(self, reason: Reason, *, key: object = "") -> None:
        """The reason no longer holds. Nothing happens if there was no such alarm."""
        if alarm := self._live.pop((reason, str(key)), None):
            self._say(f"over: {alarm.text}")
            self.tell(alarm.text, True)

    def tick(self, now: float) -> None:
        """End the alarms of events that have not happened again; call it about once a second."""
        for reason, key in [each for each, alarm in self._live.items() if now - alarm.heard_at > each[0].value.lasts_s]:
            self.clear(reason, key=key)

    def _make_room(self, reason: Reason) -> bool:
        """End the oldest alarm of the reason that has most, unless the new alarm's reason has as many.

        So a reason that has too many causes is printed for the first of them, and not again and again for each in turn.
        """
        counts = Counter(each for each, _ in self._live)
        crowd, count = counts.most_common(1)[0]
        if counts[reason] + 1 >= count:
            return False
        del self._live[min((each for each in self._live if each[0] is crowd), key=lambda each: self._live[each].heard_at)]
        return True

    # --- what a person sees ---

    @property
    def texts(self) -> list[str]:
        """The live alarms, in the order in which they began."""
        return [alarm.text for alarm in self._live.values()]

    def by_reason(self) -> dict[str, AlarmStatus]:
        """By reason, since the start: how many alarms began, how many are live, and the text of the first live one."""
        live: dict[Reason, list[str]] = {reason: [] for reason in self._began}
        for (reason, _), alarm in self._live.items():
            live[reason].append(alarm.text)
        return {
            reason.label: AlarmStatus(count, len(live[reason]), live[reason][0] if live[reason] else "")
            for reason, count in self._began.items()
        }


def live_text(status: Status, *reasons: Reason) -> str:
    """The text of the first of these alarms that is live in that status; empty if none is."""
    alarms = [status.alarm_reasons.get(reason.label) for reason in reasons]
    return next((alarm.text for alarm in alarms if alarm and alarm.live), "")


def kind_of(error: Exception) -> str:
    """The name of an error's class in words: "bad signature" for BadSignature. For errors of data that came by the link.

    The text of such an error may quote the data, so the sender could write it.
    """
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(error).__name__).strip()


def _text(reason: Reason, arguments: dict[str, object]) -> str:
    bounded = {name: printable(value, ARGUMENT_MAX) for name, value in arguments.items()}
    words: str = reason.value.words
    return words.format_map(_Arguments(bounded))
