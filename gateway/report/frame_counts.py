"""Frame counts: MAVLink frames and losses for each system and component, by MAVLink's own 8-bit sequence numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from firmware_shims import mavlink
from gateway.report.role_status import ComponentStatus

SEQ_MODULUS = 256
ROWS_MAX = 256
REORDER_MAX = 128  # a MAVLink sequence step of more than this is one back, not a gap


@dataclasses.dataclass(slots=True)
class Row:
    """The counters of one component of one system."""

    frames: int
    lost: int
    last_seq: int
    lost_aboard: int = 0
    after_gap: bool = False  # a datagram was missing before its next frame, which may have had frames of it


class FrameCounts:
    """The frames that one role passes on."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], Row] = {}  # by (system id, component id)

    def count(self, frames: Iterable[bytes | memoryview], *, after_gap: bool = False) -> None:
        """`after_gap`: a datagram that was sealed before these is missing."""
        if after_gap:
            for known in self.rows.values():
                known.after_gap = True
        for frame in frames:
            sysid, compid, seq = mavlink.key(frame)
            row = self.rows.get((sysid, compid))
            if row is None:
                if len(self.rows) >= ROWS_MAX:
                    continue  # noise on the line, or a forger with a reader's key; no vehicle has so many components
                row = self.rows[sysid, compid] = Row(0, 0, (seq - 1) % SEQ_MODULUS)
            gap = (seq - row.last_seq - 1) % SEQ_MODULUS
            row.frames += 1
            if gap < REORDER_MAX:
                row.lost += gap
                row.lost_aboard += 0 if row.after_gap else gap
                row.last_seq, row.after_gap = seq, False

    def status(self) -> dict[str, ComponentStatus]:
        """By "system/component"."""
        return {
            f"{s}/{c}": ComponentStatus(row.frames, row.lost, row.lost_aboard) for (s, c), row in sorted(self.rows.items())
        }
