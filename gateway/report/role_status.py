"""Role status: the status of a running air or ground as values. The roles publish it; all other programs read it.

What lives here: what a status consists of. Its states are Enums. The texts of alarms, `last_error` and `unsaved` are only
shown: no program decides by them. What must not: finding the values out (the roles), words for people (wording.py,
advice.py), the socket (status_socket.py). Names of counters follow mavlink-router-rs where it has them.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from gateway.core.record_outcome import Outcome
from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from keys.beat_flag import Flag

SILENT_AFTER_S = 3.0  # a flight controller sends HEARTBEAT once a second, and a camera more often


class Use(enum.StrEnum):
    """What an endpoint is for."""

    LINK = "link"
    FC = "fc"
    CAMERA = "camera"
    GCS = "gcs"
    PLAYER = "player"


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The counters are those of gateway.endpoints.endpoint.Counters, the rates those of the last seconds.

    `listens`: other programs connect or send to it. Only a link of a ground has the last five.
    """

    use: Use
    endpoint: str
    listens: bool
    state: State
    last_error: str
    clients: list[str]
    rx_datagrams: int
    tx_datagrams: int
    rx_bytes: int
    tx_bytes: int
    dropped_tx: int
    late_drop: int
    resync_bytes: int
    kept_out: int
    oversize: int
    largest_oversize: int
    reopened: int
    rx_per_s: float
    tx_per_s: float
    rx_kbit: float
    tx_kbit: float
    late_per_s: float
    rx_expected: int | None = None
    rx_known: int | None = None
    rx_lost_est: int | None = None
    loss_percent: float | None = None
    carries_up_to: int | None = None  # bytes, if it swallows datagrams that are larger


class SourceStatus(msgspec.Struct, frozen=True):
    """A flight controller or a camera. `age_s`: since its last frame or datagram; None if none has come yet."""

    age_s: float | None

    @property
    def silent(self) -> bool:
        return self.silent_before(0.0)

    def silent_before(self, since_s: float) -> bool:
        """Whether it was silent so many seconds ago, when its age was told."""
        return self.age_s is None or self.age_s - since_s > SILENT_AFTER_S


class AircraftStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What an aircraft says about itself. At a ground anybody who has the device key can have written it.

    None: it is not known. A camera without an endpoint is not in `cameras`.
    """

    fc: SourceStatus | None
    cameras: dict[str, SourceStatus]  # by A, B
    card_fails: bool | None
    links_down: int | None
    no_room_per_s: int | None


Why: TypeAlias = Literal["card_full", "card_slow", "card_failed", "recorder_restarted", "not_asked_for", "paused"]


class RecordingStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What an aircraft records. `reason`: why something is not recorded that should be, as gateway.recording.reason has it.

    Only aboard: the `folder`; `text`, what fails, for people; datagrams that were `lost`, and `bytes_written`, of this
    session.
    """

    key: bool  # the order has a recording key; without one nothing is recorded
    groups: list[str]  # that are recorded, as gateway.recording.group names them
    since: int | None  # Unix time at which these began to be the groups
    room_s: int | None  # on the card, at the rate of the last minute; None if nothing is written
    reason: Why | None
    paused_by: str | None  # the station whose pause of video is in force
    folder: str = ""
    text: str = ""
    lost: int | None = None
    bytes_written: int | None = None

    @property
    def fails(self) -> bool:
        return self.reason is not None


class SessionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A session at a ground. `refusal`: why nothing is commanded there; None: commands go up."""

    session: str  # its session_id, in hexadecimal
    device: str
    systems: list[int]
    boot_counter: int
    state: SessionState
    open_for_s: float | None  # since our keys have been here without a pause; None if they are not
    order: int | None  # the serial number of the order under which it flies; None if that is not here
    order_change_ahead: bool | None  # its beats announce another order, which begins with the next keys
    pending: bool  # its order is not here
    refusal: Refusal | None
    commanded_age_s: float | None  # since this station last asked it for something; None if it never did
    heard: list[str]  # the stations that it has heard in the last 10 s
    epoch: int | None
    key_age_s: float | None  # since this epoch began; None if that was not heard
    next_key_s: float | None  # until the next one; None if it is not announced yet
    beat_age_s: float | None
    late_s: float
    proved: bool
    clock_agrees: bool | None
    flags: int  # of the newest beat
    vendor_has_picture: bool | None  # before the seal, by the newest beat
    age_s: float | None  # since the session began, by its newest beat
    aircraft: AircraftStatus | None  # by its newest beat
    recording: RecordingStatus | None  # by its newest beat; None if it says nothing of it

    @property
    def order_expired(self) -> bool:
        return bool(self.flags & Flag.ORDER_EXPIRED)


class ComponentStatus(msgspec.Struct, frozen=True):
    """A component of a MAVLink system."""

    frames: int
    rx_lost_est: int
    lost_aboard: int = 0  # of these, before the aircraft sealed the frames around them; what a radio lost is not in it


class StationCommands(msgspec.Struct, frozen=True):
    """Frames of one station that the aircraft passed on, and that its guard policy kept back."""

    accepted: int
    guarded: int


class AlarmStatus(msgspec.Struct, frozen=True):
    """Of one reason: how often it began, how many are live, the text of the first of these."""

    began: int
    live: int
    text: str


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A feed of a ground for other programs: datagrams and subscriptions by topic. As it is made: there is none."""

    address: str = ""
    state: State = State.DOWN
    last_error: str = ""
    published: dict[str, int] = {}
    subscriptions: dict[str, int] = {}
    behind: int = 0  # how often a subscriber's queue was full
    refused: int = 0
    kept_out: int = 0


class RecordStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What `zegel record` asked last, by the name that it gave; `refused`: why no aircraft was asked, empty if one was."""

    name: str
    on: bool
    refused: str
    devices: dict[str, Outcome]


class _Status(msgspec.Struct, frozen=True, kw_only=True, tag_field="role"):
    """What both roles have. The publisher adds the last two."""

    role: ClassVar[str]
    name: str
    operation: str
    order: int  # its serial number
    order_ends: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)]  # Unix time
    order_left_s: float | None  # until then, or aboard until its hours are used up; None: the clock is not believed
    sealed: bool
    roles: dict[str, list[str]]  # of each station of the order: who can read, and what
    uptime_s: float
    endpoints: list[EndpointStatus]
    frames: dict[str, ComponentStatus]  # by "system/component"
    kept_back: dict[str, dict[str, int]]  # by station and message
    kept_back_per_s: dict[str, dict[str, float]]
    data_path: str  # of video: whether C takes its plain turns, for people
    drops: dict[str, int]
    drops_per_s: dict[str, float]
    unexpected: dict[str, int]  # by place
    alarms: list[str]
    alarm_reasons: dict[str, AlarmStatus]  # by the label of gateway.report.alarms.Reason
    pid: int = 0
    memory_locked: bool = False

    def of_use(self, use: Use) -> list[EndpointStatus]:
        return [end for end in self.endpoints if end.use is use]


class AirStatus(_Status, frozen=True, kw_only=True, tag="air"):
    """The status of `zegel air`: its session, what leaves it, and what commands came."""

    role: ClassVar[str] = "air"
    session: str
    boot_counter: int
    epoch: int
    phase: str
    lanes: dict[str, int]
    late_per_s: float
    fc_waits_s: float  # since the links were first too slow for a flight controller that can be made to wait
    aircraft: AircraftStatus
    recording: RecordingStatus
    seen_by: list[str]  # vendors that hold pictures before they are sealed
    commands: dict[str, StationCommands]  # by station
    kept_aboard: dict[str, int]  # frames of the flight controller that may not leave, by message
    unsaved: str  # why the folder cannot be written; empty if it can

    def __post_init__(self) -> None:
        if len(self.of_use(Use.FC)) != 1:
            raise ValueError("an air has one flight controller")


class GroundStatus(_Status, frozen=True, kw_only=True, tag="ground"):
    """The status of `zegel ground`: the sessions that it hears, and what it opens."""

    role: ClassVar[str] = "ground"
    agency: str
    classification: str  # regular or confidential
    sessions: list[SessionStatus]
    opened: dict[str, int]  # by lane
    opened_age_s: dict[str, float]  # since the last datagram of each lane was opened, to half a second
    reordered: int
    feed: FeedStatus  # next to the status socket
    feed_tcp: FeedStatus | None
    commands: dict[str, int]  # frames of ground control stations: sent, or by why not
    commands_per_s: dict[str, float]
    misrouted: dict[str, int]
    foreign: dict[str, dict[str, int]]  # by device and kind
    record: RecordStatus | None = None  # None if nothing was asked


Status: TypeAlias = AirStatus | GroundStatus


def encoded(status: Status) -> dict[str, Any]:
    """As JSON has it."""
    found: dict[str, Any] = msgspec.to_builtins(status)
    return found


def decoded(said: Mapping[str, Any]) -> Status | None:
    """What a process said; None if it is no status of this version."""
    try:
        found: Status = msgspec.convert(said, AirStatus | GroundStatus)
    except (msgspec.ValidationError, UnicodeEncodeError):  # the latter where half a surrogate pair stands for a state
        return None
    return found
