"""Share: the loop of `zegel share`. It hears the grounds of this computer, and hands what they opened to the outputs.

What lives here: which ground is shared, the outputs side by side, the status, the end. What must not: keys, and anything
that goes to a ground or to an aircraft.

Fail closed: nothing of a ground is shared before its status has said under which class it flies, and nothing of a
confidential order unless share.toml allows that.
"""

from __future__ import annotations

import asyncio
import functools
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway import clock
from gateway.endpoints.feed_reader import Published
from gateway.loop.watchdog import Manager
from gateway.report import keyless_loop, share_status
from gateway.report.log import say
from gateway.report.role_status import GroundStatus
from gateway.report.share_status import OutputReport, ShareStatus
from gateway.report.status_socket import Publisher
from gateway.share.config import ShareConfig
from gateway.share.positions import PositionsServer
from gateway.share.rtsp_server import RtspServer
from gateway.share.sightings import Sightings
from gateway.share.tak import TakOutput
from gateway.view.grounds import Grounds

AGAIN_S = 2.0  # before an output that failed in a way that no one expected begins again
GROUNDS_MAX = 16
REGULAR = "regular"  # the class of an order, as keys/order.py has it; that module would load code that seals keys


class Taker(Protocol):
    """What hears the feed."""

    def take(self, ground: str, message: Published) -> None:
        """A message of a ground that is shared; it does not wait."""


class Output(Protocol):
    """One table of share.toml."""

    async def run(self) -> None:
        """Until cancelled."""

    def report(self) -> OutputReport: ...


class Share:
    """One start of `zegel share`."""

    def __init__(self, settings: ShareConfig, name: str, manager: Manager) -> None:
        self._settings, self._name, self._manager = settings, name, manager
        self._sightings = Sightings()
        self._takers, self._outputs = outputs(settings, self._sightings)
        self._publisher = Publisher("share", name, holds_key=False)
        self._started = clock.now()
        self._shared: set[str] = set()  # grounds
        self._withheld: Counter[str] = Counter()

    def run(self) -> None:
        """Until SIGINT or SIGTERM."""
        for output in self._outputs:
            report = output.report()
            say("share", f"IN CLEAR: {report.name} at {report.where} gives opened data to all who have its credentials")
        with self._publisher:
            asyncio.run(self._main())

    async def _main(self) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        keyless_loop.tell_unexpected("share")
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        grounds = Grounds(self._on_message, self._on_status)
        works: list[tuple[str, Callable[[], Awaitable[None]]]] = [("grounds", grounds.follow), ("status", self._tell)]
        works += [(output.report().name, output.run) for output in self._outputs]
        tasks = [
            asyncio.create_task(keyless_loop.keep(work, functools.partial(_failed, name), AGAIN_S)) for name, work in works
        ]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _on_status(self, ground: str, status: GroundStatus | None) -> None:
        """Whether it is shared from now on. One that is gone may come back under another order."""
        barred = status is not None and status.classification != REGULAR and not self._settings.confidential
        if status is None or barred:
            self._shared.discard(ground)
            self._sightings.drop(ground)
        elif ground in self._shared or len(self._shared) < GROUNDS_MAX:
            self._shared.add(ground)
            self._sightings.take_status(ground, status)
        if barred and ground not in self._withheld:
            say("share", f"{ground}: its order is confidential, so nothing of it is shared (confidential = true allows it)")
            self._withheld[ground] = 0

    def _on_message(self, ground: str, message: Published) -> None:
        if ground in self._shared:
            for taker in self._takers:
                taker.take(ground, message)
        elif ground in self._withheld:
            self._withheld[ground] += 1

    async def _tell(self) -> None:
        await keyless_loop.publish(self._publisher, self._manager, self._status, share_status.in_a_line)

    def _status(self, now: float) -> ShareStatus:
        return ShareStatus(
            name=self._name,
            uptime_s=round(now - self._started, 1),
            confidential=self._settings.confidential,
            grounds=sorted(self._shared),
            withheld=dict(self._withheld),
            outputs=[output.report() for output in self._outputs],
        )


def outputs(settings: ShareConfig, sightings: Sightings) -> tuple[list[Taker], list[Output]]:
    """What hears the feed, and the outputs, as share.toml names them. ConfigError."""
    takers: list[Taker] = []
    found: list[Output] = []
    rtsp = RtspServer(settings.rtsp) if settings.rtsp else None
    if rtsp:
        takers.append(rtsp)
        found.append(rtsp)
    if tak := settings.tak:
        found.append(TakOutput(tak, sightings, lambda device: rtsp.url_of(device, tak.video_address) if rtsp else ""))
    if settings.positions:
        found.append(PositionsServer(settings.positions, sightings))
    if settings.tak or settings.positions:
        takers.append(sightings)
    return takers, found


def _failed(name: str, error: Exception) -> None:
    say("share", f"{name}: {type(error).__name__}: {error}; it begins again")
