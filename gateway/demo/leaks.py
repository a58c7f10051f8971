"""Whether any input appears on the wire: every 16-byte window of the input is compared with every one of the wire."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

WINDOW = 16
_HALF = 8


def shared_windows(plain: Iterable[bytes], wire: Iterable[bytes]) -> int:
    """How many 16-byte windows of `plain` occur anywhere in a datagram of `wire`; 0 is what sealing means."""
    sought, seen = _windows(plain), _windows(wire)
    if not sought.size or not seen.size:
        return 0
    # First the halves, as plain integers; the remaining windows are compared whole.
    near = sought[np.isin(sought["low"], seen["low"])]
    return int(np.isin(near, seen[np.isin(seen["low"], near["low"])]).sum()) if near.size else 0


def _windows(items: Iterable[bytes]) -> npt.NDArray[np.void]:
    """All windows of all items, each as two 64-bit halves."""
    parts = [_of_one(item) for item in items if len(item) >= WINDOW]
    return np.concatenate(parts) if parts else np.empty(0, _PAIR)


_PAIR = np.dtype([("low", np.uint64), ("high", np.uint64)])


def _of_one(item: bytes) -> npt.NDArray[np.void]:
    values = np.frombuffer(item, np.uint8)
    rows = np.lib.stride_tricks.sliding_window_view(values, WINDOW)
    return np.ascontiguousarray(rows).view(_PAIR).reshape(-1)
