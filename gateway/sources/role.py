"""Sources: the loop of `zegel source`. Each [[source]] brings pictures to its lane, whatever happens to the others.

What lives here: the tasks, the status, the end. What must not: keys, and anything about a ground link.
"""

from __future__ import annotations

import asyncio
import signal

from gateway import clock, config
from gateway.config import AirConfig
from gateway.loop.watchdog import Manager
from gateway.report import keyless_loop, runtime_folder, source_status
from gateway.report.log import say
from gateway.report.source_status import SourcesStatus
from gateway.report.status_socket import Publisher
from gateway.sources import processes
from gateway.sources.source import AtWork
from gateway.sources.tables import Source

AGAIN_S = 2.0  # before a source that could not begin, or failed in a way that no one expected, begins again


class Sources:
    """One start of `zegel source`."""

    def __init__(self, settings: AirConfig, name: str, manager: Manager) -> None:
        self._settings, self._name, self._manager = settings, name, manager
        self._at_work: dict[str, AtWork] = {}
        self._publisher = Publisher("source", name, holds_key=False)
        self._started = clock.now()
        self._stopping = False

    def run(self) -> None:
        """Until SIGINT or SIGTERM; then no command runs any more."""
        processes.adopt()
        if left := processes.end_left_over():
            say("source", f"ended {left} processes of an earlier start, which was killed")
        with self._publisher:
            asyncio.run(self._main())

    async def _main(self) -> None:
        stop = asyncio.Event()
        keyless_loop.tell_unexpected("source")
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        tasks = [asyncio.create_task(self._keep(source)) for source in self._settings.source]
        tasks.append(asyncio.create_task(self._tell()))
        await stop.wait()
        self._stopping = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        processes.sweep()

    async def _keep(self, source: Source) -> None:
        """One source, without end: a fault in one is not the end of the others."""
        towards = config.endpoint(self._settings.video["ab".index(source.lane)])
        while not self._stopping:
            try:
                self._at_work[source.name] = at_work = AtWork(source, towards, runtime_folder.of_user())
                await at_work.run()
            except Exception as error:  # the barrier: what came from a stream or a child ends no flight
                say("source", f"{source.name}: {type(error).__name__}: {error}; it begins again")
            await asyncio.sleep(AGAIN_S)

    async def _tell(self) -> None:
        await keyless_loop.publish(self._publisher, self._manager, self._status, source_status.in_a_line)

    def _status(self, now: float) -> SourcesStatus:
        """Also looks after what escaped from a command."""
        processes.sweep()
        return SourcesStatus(
            name=self._name,
            uptime_s=round(now - self._started, 1),
            sources=[at_work.report(now) for at_work in self._at_work.values()],
        )
