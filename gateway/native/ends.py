"""Ends: the sockets of a turn in C, in its structures; and counting for their endpoints what it did with them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

from gateway.endpoints.direct import Direct, Source, Target
from gateway.endpoints.mmsg import AS_ONE_MAX
from gateway.native.library import Library
from gateway.native.structures import TARGETS, End, Out
from gateway.native.structures import Source as SourceInC


def end_of(library: Library, turn: int, capacity: int) -> End:
    """For waiting in C: what takes turns, at this address."""
    return End(take=ctypes.cast(library.turn, ctypes.c_void_p), turn=turn, capacity=capacity)


def targets_of(endpoints: Sequence[Direct]) -> list[tuple[Direct, Target]] | None:
    """All that these send to, each with its endpoint; None if one of them is not plain, or they are too many."""
    found: list[tuple[Direct, Target]] = []
    for endpoint in endpoints:
        if (targets := endpoint.targets()) is None:
            return None
        found += [(endpoint, target) for target in targets]
    return found if len(found) <= TARGETS else None


def fill_source(there: SourceInC, source: Source) -> None:
    """The caller keeps `source.name`."""
    there.fd, there.messages, there.control, there.since, there.until = (
        source.fd,
        source.messages,
        source.control,
        source.since,
        source.until,
    )
    there.most = there.capacity = source.capacity
    there.name, there.name_size = ctypes.cast(ctypes.c_char_p(source.name), ctypes.c_void_p), len(source.name)


def fill_targets(out: Out, targets: Sequence[tuple[Direct, Target]]) -> list[Direct]:
    """The endpoints of the targets, in their order. Whatever a socket does not take as one stays known."""
    for there, (_, target) in zip(out.targets, targets, strict=False):
        known = there.fd, there.opening, bytes(there.name)[: there.name_size]
        if known != (target.fd, target.opening, target.name):
            there.fd, there.opening, there.name_size, there.longest = *target[:2], len(target.name), AS_ONE_MAX
            ctypes.memmove(there.name, target.name, len(target.name))
    out.targets_count = len(targets)
    return [endpoint for endpoint, _ in targets]


def collect_source(source: SourceInC, endpoint: Direct, name: bytes, now: float) -> None:
    endpoint.was_read(source.received, source.received_bytes, name, source.since, now)
    source.received = source.received_bytes = source.late = source.failed = 0


def collect_targets(out: Out, endpoints: Sequence[Direct], now: float) -> None:
    for target, endpoint in zip(out.targets, endpoints, strict=False):
        if target.sent or target.dropped:
            endpoint.was_sent(target.sent, target.sent_bytes, target.dropped, target.error, now)
            target.sent = target.sent_bytes = target.dropped = target.error = 0
