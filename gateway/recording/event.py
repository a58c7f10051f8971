"""Event: the content of a record of port 14552, and the names of events. SPEC.md section 8. Pure."""

from __future__ import annotations

import enum
import json

from keys.printable import printable

TEXT_MAX = 200  # characters of one text, escaped


class Event(enum.StrEnum):
    """What is recorded besides frames, commands and pictures."""

    COMMAND = "command"  # accepted: station, message, count
    COMMAND_REFUSED = "command refused"  # station, message, count, why
    ORDER = "order"  # another one came into force: serial
    REKEY = "rekey"  # epoch
    LINK_LOST = "link lost"  # station: it was heard, and has not been for 10 s; without one: no link is up
    LINK_BACK = "link back"
    ARMED = "armed"
    DISARMED = "disarmed"
    PAUSE = "pause"  # of video: station
    RESUME = "resume"
    ALARM = "alarm"  # text
    ALARM_OVER = "alarm over"


def encode(event: Event, station: int = 0, **more: str | int) -> bytes:
    """One JSON object in UTF-8. `station`: the index of who caused it, 0 if none did. Texts are bounded and escaped."""
    who = {"station": station} if station else {}
    rest = {name: printable(value, TEXT_MAX) if isinstance(value, str) else value for name, value in more.items()}
    return json.dumps({"event": event.value, **who, **rest}, ensure_ascii=False).encode(errors="replace")
