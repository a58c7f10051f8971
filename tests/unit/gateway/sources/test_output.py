"""The pipe of a command: it is read at no more than a rate."""

from __future__ import annotations

import asyncio
import os

from gateway import clock
from gateway.sources.allowance import AGAIN_S
from gateway.sources.output import Pipe

WITHIN_S = 10.0


def test_a_command_that_writes_more_than_its_rate_waits(monkeypatch):
    now, came = [1000.0], bytearray()
    monkeypatch.setattr(clock, "now", lambda: now[0])
    ours, command = os.pipe()
    os.set_blocking(ours, False)

    async def until(count: int) -> None:
        while len(came) < count:
            await asyncio.sleep(0.005)

    async def read() -> None:
        pipe = Pipe(ours, came.extend, 1000)
        os.write(command, bytes(5000))  # one read takes all of it, which is the rate of five seconds
        await until(5000)
        os.write(command, b"more")
        await asyncio.sleep(5 * AGAIN_S)
        assert len(came) == 5000
        now[0] += 4.5
        await until(5004)
        now[0] += 100.0
        os.write(command, bytes(2000))  # time that was not used gives no more than one second
        await until(7004)
        os.write(command, b"rest")
        await asyncio.sleep(5 * AGAIN_S)
        assert len(came) == 7004
        pipe.rest()
        assert bytes(came[-4:]) == b"rest"
        pipe.close()

    try:
        asyncio.run(asyncio.wait_for(read(), WITHIN_S))
    finally:
        os.close(ours)
        os.close(command)
