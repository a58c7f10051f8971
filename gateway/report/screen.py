"""Screen: what a person sees of one role at a glance, on a terminal of 80 columns and 24 rows.

What lives here: pure functions of a status to lines; which facts, in which order, and what is left out where they are too
many. What must not: counters (counters.py), sentences for states (wording.py), what is wrong (advice.py), the terminal.
"""

from __future__ import annotations

import enum
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report import recording_report, wording
from gateway.report.advice import advise
from gateway.report.role_status import AirStatus, EndpointStatus, GroundStatus, SessionStatus, Status, Use
from keys.printable import printable
from keys.times import duration, utc

COLUMNS, ROWS = 80, 23  # of the usual terminal; its last row is for the prompt
COLUMNS_MIN = 48  # a narrower terminal truncates the lines
LABEL = 10  # columns of a label
GIVES_TO = 2  # lines
ABOARD_SHOWN = 2  # aircraft; with more, each has one line
MBIT = 1000  # kbit
MORE = "and {count} more: zegel status -v"
ALL = "{count}: zegel status -v"
CUT = "..."
NOTHING_WRONG = "nothing"
OTHER_VERSION = "{name}: not shown, it is another version's; zegel status --json has it until its next start"
TOLD = {SessionState.BEATING, SessionState.UNLISTED, SessionState.OPEN}  # what it says about itself is of now
CAMERAS = {"video_a": "A", "video_b": "B"}
TELEMETRY = ("telemetry", "observer_telemetry")


class Kind(enum.Enum):
    """What a line is, for colours."""

    HEAD = enum.auto()
    FAULT = enum.auto()
    FACT = enum.auto()


class Line(NamedTuple):
    """One line of the screen, escaped."""

    text: str
    kind: Kind = Kind.FACT


class Row(NamedTuple):
    """One or more facts of a kind. `each` begins on a line of its own; the others are a list in a sentence.

    `gives`: where there are too many rows for the screen, it is shortened before others.
    """

    label: str
    items: Sequence[str]
    each: bool = False
    gives: bool = False
    kind: Kind = Kind.FACT


def lines(status: Status, columns: int = COLUMNS, rows: int | None = ROWS, more: Sequence[Row] = ()) -> list[Line]:
    """The screen of one role, with `more` rows below. With `rows` None nothing is left out."""
    facts = [fact for fact in (_wrong(status), *_facts(status), *more) if fact.items]
    return laid_out(head(status, columns), facts, columns, rows)


def laid_out(head: Line, facts: Sequence[Row], columns: int, rows: int | None) -> list[Line]:
    """The head and the facts below it, of which the highest give rows away until all fit."""
    width = max(columns, COLUMNS_MIN) - LABEL - 3
    heights = [len(_whole(fact, width)) for fact in facts]
    if rows is not None:
        heights = _fitting(facts, heights, rows - 1)
    return [
        head,
        *(line for fact, high in zip(facts, heights, strict=True) for line in _lines(fact, width, high)),
    ]


def head(status: Status, columns: int = COLUMNS) -> Line:
    """Which role it is, and how it is in a word."""
    return Line(_cut(printable(f"{status.role} {status.name}: {wording.role(status)}"), columns), Kind.HEAD)


def brief(status: Status, columns: int = COLUMNS) -> list[Line]:
    """Only the head and what is wrong."""
    wrong, width = _wrong(status), max(columns, COLUMNS_MIN) - LABEL - 3
    return [head(status, columns), *_lines(wrong, width, len(_whole(wrong, width)))]


# --- which facts ---


def _wrong(status: Status) -> Row:
    line = advise(status)
    return Row("wrong", [line or NOTHING_WRONG], kind=Kind.FAULT if line else Kind.FACT)


def _facts(status: Status) -> Iterator[Row]:
    yield Row("operation", [f"{status.operation}, order {status.order}"])
    yield Row("order ends", [_end(status)])
    yield Row("sealed for", [_reader(name, roles) for name, roles in status.roles.items()] or ["no station"], gives=True)
    yield _recorded(status)
    yield from _aboard(status) if isinstance(status, AirStatus) else _at_station(status)
    if not status.memory_locked:
        yield Row("memory", ["not locked, so keys may reach swap"])
    yield Row("alarm", [alarm for alarm in status.alarms if alarm not in advise(status)], each=True, gives=True)


def _recorded(status: Status) -> Row:
    """Of an aircraft that is silent nothing is known; of many, only those are told that do not record what they should."""
    if isinstance(status, AirStatus):
        told = [("", status.recording)]
    else:
        heard = newest(status.sessions)
        known = [(each.device, each.recording) for each in heard if each.state in TOLD and each.recording is not None]
        told = [(f"{device}: " if len(heard) > 1 else "", said) for device, said in known]
        if len(heard) > ABOARD_SHOWN:
            told = [(name, said) for name, said in told if recording_report.fails(said)]
    kind = Kind.FAULT if any(recording_report.fails(said) for _, said in told) else Kind.FACT
    return Row("recorded", [name + recording_report.line(said) for name, said in told], each=True, gives=True, kind=kind)


def _end(status: Status) -> str:
    end, left_s = utc(status.order_ends), status.order_left_s
    if left_s is None:
        return f"{end}; the clock of this computer is not believed"
    return f"in {duration(int(left_s))}, {end}" if left_s >= 1 else f"ENDED, {end}"


def _reader(name: str, roles: Sequence[str]) -> str:
    return f"{name} ({', '.join(roles)})"


def _aboard(status: AirStatus) -> Iterator[Row]:
    said = status.aircraft
    (fc,) = status.of_use(Use.FC)
    yield Row("telemetry", [f"{_last_frame(said.fc.age_s if said.fc else None)}, from {fc.endpoint}{_fault(fc)}"])
    yield Row("video", [_last_picture({name: source.age_s for name, source in said.cameras.items()})])
    yield Row("seal", [wording.seal_begins(status.seen_by)] if status.seen_by else [])
    yield from _links(status)
    came = [f"{station} {_commands(counts.accepted, counts.guarded)}" for station, counts in status.commands.items()]
    yield Row("commands", came or ["none came"], gives=True)


def _commands(accepted: int, guarded: int) -> str:
    return f"{accepted} passed on" + (f" and {guarded} kept back" if guarded else "")


def _at_station(status: GroundStatus) -> Iterator[Row]:
    heard = newest(status.sessions)
    aircraft = [_aircraft(session, aboard=len(heard) <= ABOARD_SHOWN) for session in heard]
    yield Row("aircraft", aircraft or ["none is heard"], each=True)
    ages = status.opened_age_s
    yield Row("telemetry", [_last_frame(min((ages[lane] for lane in TELEMETRY if lane in ages), default=None))])
    yield Row("video", [_last_picture({name: ages[lane] for lane, name in CAMERAS.items() if lane in ages})])
    yield from _links(status)
    refused = sum(status.commands.values()) - status.commands.get("sent", 0)
    sent = status.commands.get("sent", 0)
    yield Row("commands", [f"{sent or 'none'} sent", *([f"{refused} refused"] if refused else [])])
    programs = [*status.of_use(Use.GCS), *status.of_use(Use.PLAYER)]
    yield Row(
        "programs",
        [f"{wording.USE[end.use]} {end.endpoint} {wording.ENDPOINT[end.state]}{_fault(end)}" for end in programs],
    )


def newest(sessions: Sequence[SessionStatus]) -> list[SessionStatus]:
    """Of each aircraft the open session, or else that of its last start."""
    found: dict[str, SessionStatus] = {}
    for session in sorted(sessions, key=lambda each: (each.state is SessionState.OPEN, each.boot_counter)):
        found[session.device] = session
    return [found[name] for name in sorted(found)]


def _aircraft(session: SessionStatus, *, aboard: bool) -> str:
    text, said = f"{session.device}: {wording.in_short(session)}", session.aircraft
    if said is None or session.state not in TOLD or not aboard:
        return text
    heard = [f"flight controller {_ago(said.fc.age_s)}"] if said.fc else []
    heard += [f"camera {name} {_ago(source.age_s)}" for name, source in said.cameras.items() if source.age_s is not None]
    return f"{text}; aboard: {', '.join(heard)}" if heard else text


def _links(status: Status) -> Iterator[Row]:
    yield Row("link", [_link(link) for link in status.of_use(Use.LINK)], each=True)


def _link(link: EndpointStatus) -> str:
    text = f"{link.endpoint} {wording.ENDPOINT[link.state]}{_fault(link)}"
    if link.state is State.RECONNECTING:
        return text
    if link.loss_percent is not None and link.state is State.CONNECTED and link.rx_per_s:
        text += f", {link.loss_percent:.0f} % lost"
    came = f"in {_rate(link.rx_kbit)}" if link.rx_per_s else "nothing comes in"
    return f"{text}, {came}, {f'out {_rate(link.tx_kbit)}' if link.tx_per_s else 'nothing goes out'}"


def _fault(end: EndpointStatus) -> str:
    return f": {end.last_error}" if end.state is State.RECONNECTING and end.last_error else ""


def _rate(kbit: float) -> str:
    return f"{kbit / MBIT:.1f} Mbit/s" if kbit >= MBIT else f"{kbit:.0f} kbit/s"


def _last_frame(age_s: float | None) -> str:
    return "no frame yet" if age_s is None else f"last frame {_ago(age_s)}"


def _last_picture(ages_s: Mapping[str, float | None]) -> str:
    """By camera, of those that are configured or were seen."""
    if all(age_s is None for age_s in ages_s.values()):
        return "no picture yet"
    return f"last picture: {', '.join(f'{name} {_ago(age_s)}' for name, age_s in ages_s.items())}"


def _ago(age_s: float | None) -> str:
    if age_s is None:
        return "none yet"
    return "now" if age_s < 1 else f"{duration(int(age_s))} ago"


# --- facts to lines ---


def _fitting(facts: Sequence[Row], heights: Sequence[int], rows: int) -> list[int]:
    """The heights of facts, of which the highest give lines away until they fit; never the first, and each keeps one.

    Those that are to give first do so until they have GIVES_TO.
    """
    fitting, below = [*heights], range(1, len(heights))
    while sum(fitting) > rows and any(fitting[at] > 1 for at in below):
        giving = [at for at in below if facts[at].gives and fitting[at] > GIVES_TO]
        fitting[max(giving or below, key=lambda at: fitting[at])] -= 1
    return fitting


def _lines(row: Row, width: int, rows: int) -> Iterator[Line]:
    label = row.label
    for text in _listed(row, width, rows):
        yield Line(f"  {label:<{LABEL}} {text}", row.kind)
        label = ""


def _listed(row: Row, width: int, rows: int) -> list[str]:
    """As many of the items as fit, and how many are left out; of the first its beginning, if not even that fits."""
    for shown in range(len(row.items), 0, -1):
        rest = [MORE.format(count=len(row.items) - shown)] if shown < len(row.items) else []
        if len(listed := _whole(row._replace(items=[*row.items[:shown], *rest]), width)) <= rows:
            return listed
    if rows == len(rest):
        return [ALL.format(count=len(row.items))]
    *begin, last = _whole(row._replace(items=row.items[:1]), width)[: rows - len(rest)]
    return [*begin, _cut(last + CUT, width), *rest]


def _whole(row: Row, width: int) -> list[str]:
    items = [printable(item) for item in row.items]
    return [text for item in (items if row.each else [", ".join(items)]) for text in _wrapped(item, width)]


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns, broken at spaces where that is possible."""
    wrapped, line = [], ""
    for word in text.split(" "):
        if line and columns_of(f"{line} {word}") <= width:
            line += f" {word}"
            continue
        wrapped += [line] if line else []
        line = word
        while columns_of(line) > width:
            begin = _begin(line, width)
            wrapped.append(begin)
            line = line[len(begin) :]
    return [*wrapped, line]


def _cut(text: str, width: int) -> str:
    return text if columns_of(text) <= width else _begin(text, width - len(CUT)) + CUT


def _begin(text: str, width: int) -> str:
    """As much of its beginning as `width` columns hold; at least one character."""
    end = 1
    while end < len(text) and columns_of(text[: end + 1]) <= width:
        end += 1
    return text[:end]


def columns_of(text: str) -> int:
    """How many columns a terminal needs: two for a wide East Asian character, none for a mark on another one."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(each) in ("Mn", "Me") else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )
