"""What the roles without a key have in common."""

from __future__ import annotations

import asyncio

from gateway.report import keyless_loop


def test_a_task_that_fails_begins_again_and_what_it_met_is_told():
    tries, met = [], []

    async def work() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise ValueError(len(tries))
        raise asyncio.CancelledError

    async def main() -> None:
        task = asyncio.create_task(keyless_loop.keep(work, met.append, 0.0))
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert tries == [0, 1, 2]
    assert [error.args for error in met] == [(1,), (2,)]


def test_a_callback_that_fails_is_told_and_the_loop_goes_on(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(keyless_loop, "say", lambda _, text: said.append(text))

    async def main() -> str:
        keyless_loop.tell_unexpected("share")
        asyncio.get_running_loop().call_soon(lambda: 1 / 0)
        await asyncio.sleep(0.01)
        return "on"

    assert asyncio.run(main()) == "on"
    assert said == ["something unexpected was met and dropped: ZeroDivisionError('division by zero')"]
