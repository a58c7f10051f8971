"""The demo's stranger: what a station that is not in the order can open of a capture, under any listed index."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gateway.batch import Batch
from gateway.core.drop_reason import DropReason
from gateway.core.ground.listener import Listener, StationIdentity
from gateway.core.ground.opener import Opener
from keys.folders.station import StationFolder
from keys.order import verify_order


def pretend(folder: Path, order: Path, capture: Iterable[bytes]) -> tuple[int, int]:
    """(datagrams opened, grants that failed) over all openers that hold the folder's seed under a listed index."""
    station = StationFolder.open(folder)
    verified = verify_order(order.read_bytes(), station.roots, 0)
    datagrams, opened, refused = list(capture), 0, 0
    for listed in verified.content.stations:
        opener = Opener(Listener(verified, StationIdentity(listed.index, station.profile, station.seed), {}))
        for batch in Batch(1).refill(datagrams):
            opener.open(batch, 0.0)
        opened += opener.opened.total()
        refused += opener.drops[DropReason.BAD_GRANT]
    return opened, refused
