"""The loop of the console: a fault in a part is told, and ends neither that part nor the others."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from gateway.console import role
from gateway.console.role import Role
from gateway.console.token_file import TokenFile
from gateway.loop.watchdog import Manager
from gateway.report import keyless_loop


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Consoles whose status sockets are closed after the test."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(role, "AGAIN_S", 0.0)
    with contextlib.ExitStack() as stack:

        def made(**more) -> Role:
            one = Role(8088, TokenFile(), Manager({}), **more)
            stack.enter_context(one._publisher)
            return one

        yield made


def test_a_task_that_fails_begins_again_and_is_counted(make):
    made = make()
    tries: list[float] = []

    async def fails() -> None:
        tries.append(time.monotonic())
        if len(tries) < 3:
            raise ValueError("from the air")
        await asyncio.sleep(60)

    async def run() -> None:
        task = asyncio.create_task(keyless_loop.keep(fails, made._met, role.AGAIN_S))
        while len(tries) < 3:
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(run())
    assert made._unexpected == 2


def test_transcoding_needs_ffmpeg(make, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(role, "say", lambda _, text: said.append(text))

    async def prepared() -> Role:
        one = make(transcode=True)
        one._prepare()
        return one

    monkeypatch.setattr(role.shutil, "which", lambda _: None)
    assert not asyncio.run(prepared())._live._transcode
    assert said == ["there is no ffmpeg, so H.265 is not made to H.264: sudo apt install ffmpeg"]
    monkeypatch.setattr(role.shutil, "which", lambda _: "/usr/bin/ffmpeg")
    assert asyncio.run(prepared())._live._transcode
