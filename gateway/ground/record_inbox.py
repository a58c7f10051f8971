"""Record inbox: a running ground's side of `zegel record`: who is asked, and what they answered.

What must not live here: sealing and repeating it (gateway.core.ground.record_request), the file (record_file.py).
"""

from __future__ import annotations

from pathlib import Path

from gateway.core.ground.commander import MAY_CONTROL
from gateway.core.ground.record_request import RecordRequest
from gateway.core.ground.uplink_sessions import UplinkSessions
from gateway.ground import record_file
from gateway.ground.owners import Owners
from gateway.ground.record_file import Asked
from gateway.report.recording_report import NOTHING_RECORDED
from gateway.report.role_status import RecordStatus

NOT_PERMITTED = "this station has neither the role command nor control in the order"
NONE_HEARD = "no aircraft is heard"


class RecordInbox:
    """Of one ground; the last request counts."""

    def __init__(self, sessions: UplinkSessions, owners: Owners) -> None:
        self._sessions, self._owners = sessions, owners
        self._asked: Asked | None = None
        self._refused = ""
        self._devices: dict[bytes, RecordRequest] = {}  # of the last one that was asked

    def look(self, socket: Path | None, now: float) -> None:
        """Call it about twice a second. `socket`: that of this ground's status; without one nothing can be asked."""
        if socket and (asked := record_file.take(socket)):
            self._take(asked, now)

    def _take(self, asked: Asked, now: float) -> None:
        heard = [commander.session.device_public for commander in self._sessions.commanded]
        meant = [device for device in heard if asked.device in (None, self._owners.name(device))]
        self._asked, self._refused = asked, self._refusal(asked, bool(meant))
        self._devices = {} if self._refused else {device: RecordRequest(now, on=asked.on) for device in meant}
        self._sessions.record_requests.update(self._devices)

    def _refusal(self, asked: Asked, is_heard: bool) -> str:
        """Why nothing is asked, or nothing."""
        if not self._sessions.station.roles & MAY_CONTROL:
            return NOT_PERMITTED
        if not self._sessions.order.content.recording:
            return NOTHING_RECORDED
        if not is_heard:
            return NONE_HEARD if asked.device is None else f"no aircraft of the name {asked.device!r} is heard"
        return ""

    def status(self) -> RecordStatus | None:
        """None if nothing was ever asked."""
        if self._asked is None:
            return None
        devices = {self._owners.name(device): request.outcome for device, request in self._devices.items()}
        return RecordStatus(name=self._asked.name, on=self._asked.on, refused=self._refused, devices=devices)
