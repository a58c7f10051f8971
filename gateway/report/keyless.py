"""Keyless: the statuses of the roles that hold no key, which `zegel status` shows each by a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from gateway.report import console_status, share_status, source_status
from gateway.report.console_status import ConsoleStatus
from gateway.report.screen import Line
from gateway.report.share_status import ShareStatus
from gateway.report.source_status import SourcesStatus

KeylessStatus: TypeAlias = SourcesStatus | ConsoleStatus | ShareStatus


def decoded(said: Mapping[str, Any]) -> KeylessStatus | None:
    """What a process said; None if it is no status of such a role, or one of another version."""
    try:
        found: KeylessStatus = msgspec.convert(said, SourcesStatus | ConsoleStatus | ShareStatus)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    return found


def wrong(status: KeylessStatus) -> str:
    """The first fault; empty if there is none."""
    match status:
        case SourcesStatus():
            return source_status.wrong(status)
        case ConsoleStatus():
            return console_status.wrong(status)
        case ShareStatus():
            return share_status.wrong(status)


def lines(status: KeylessStatus, columns: int, rows: int | None) -> list[Line]:
    """The screen of one process."""
    match status:
        case SourcesStatus():
            return source_status.lines(status, columns, rows)
        case ConsoleStatus():
            return console_status.lines(status, columns, rows)
        case ShareStatus():
            return share_status.lines(status, columns, rows)
