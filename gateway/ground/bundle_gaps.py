"""Bundle gaps: whether a telemetry datagram is missing before one that came, by the counters of its lane.

Frames that are missing where no datagram is were missing when the aircraft sealed the frames around them.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.ground.opened import Bundle

SESSIONS_MAX = 64


class BundleGaps:
    """Of all sessions of a ground, whose bundles come in the order in which they are handed on."""

    def __init__(self) -> None:
        self._last: dict[bytes, tuple[int, int]] = {}  # by session_id: epoch and CTR of the newest

    def found(self, bundles: Iterable[Bundle]) -> bool:
        """Whether one is missing before any of these. Before the first of an epoch that is not known, and counts as one."""
        gap = False
        for bundle in bundles:
            name = bundle.lease.session.session_id
            gap = gap or self._last.get(name) != (bundle.lease.epoch, bundle.ctr - 1)
            if name not in self._last and len(self._last) >= SESSIONS_MAX:
                self._last.clear()
            self._last[name] = bundle.position
        return gap
