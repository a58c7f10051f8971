"""Keyless loop: what the roles that hold no key have in common, whose loop is asyncio's.

What lives here: the status that is published without end, and the barrier around each task. What must not: a role's work.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway import clock
from gateway.loop.watchdog import Manager
from gateway.report.keyless import KeylessStatus
from gateway.report.log import say
from gateway.report.status_socket import Publisher

STATUS_EVERY_S = 0.5
ATTACHES = 5  # between two statuses: a reader that has just connected is attached soon
StatusT = TypeVar("StatusT", bound=KeylessStatus)


async def publish(
    publisher: Publisher,
    manager: Manager,
    status: Callable[[float], StatusT],
    in_a_line: Callable[[StatusT], str],
    look: Callable[[], None] = lambda: None,
) -> None:
    """Without end: the status of each moment, and its line for the service manager. `look` is called ten times a second."""
    while True:
        now = clock.now()
        said = status(now)
        publisher.send(said)
        manager.turned(now)
        manager.tell(functools.partial(in_a_line, said))
        for _ in range(ATTACHES):
            look()
            await asyncio.sleep(STATUS_EVERY_S / ATTACHES)
            publisher.attach()


async def keep(work: Callable[[], Awaitable[None]], failed: Callable[[Exception], None], again_s: float) -> None:
    """Without end: a fault in one task is not the end of the others. What it met goes to `failed`."""
    while True:
        try:
            await work()
        except Exception as error:  # the barrier: what comes from a stream, a reader or a child ends nothing
            failed(error)
        await asyncio.sleep(again_s)


def tell_unexpected(role: str) -> None:
    """From now on, a callback of this loop that fails is told, and the others go on."""

    def told(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        say(role, f"something unexpected was met and dropped: {context.get('exception') or context['message']!r}")

    asyncio.get_running_loop().set_exception_handler(told)
