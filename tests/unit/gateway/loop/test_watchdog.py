from __future__ import annotations

import os
import socket

import pytest

from gateway.loop.watchdog import Manager


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """(what a manager hears, the environment that it gives), by both kinds of socket."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = str(tmp_path / "notify") if request.param == "path" else f"@zegel-test-{os.getpid()}"
    listener.bind(name.replace("@", "\0"))
    listener.setblocking(False)
    yield listener, {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000"}
    listener.close()


def heard(listener: socket.socket) -> list[str]:
    lines = []
    try:
        while True:
            lines.append(listener.recv(4096).decode())
    except BlockingIOError:
        return lines


def test_what_a_manager_hears(manager):
    listener, environ = manager
    with Manager(environ) as told:
        assert heard(listener) == []
        for tenth in range(25):
            told.turned(tenth / 10)
        assert heard(listener) == ["READY=1", *["WATCHDOG=1"] * 3]  # at 0, 1 and 2 s: a third of 3 s
        told.tell(lambda: "sealed")
        told.tell(lambda: "sealed")
        assert heard(listener) == ["STATUS=sealed"]
    assert heard(listener) == ["STOPPING=1"]


def test_a_watchdog_of_another_process_is_not_fed(manager):
    listener, environ = manager
    with Manager({**environ, "WATCHDOG_PID": "1"}) as told:
        told.turned(0.0)
        assert heard(listener) == ["READY=1"]


def test_a_manager_that_is_gone_costs_nothing_and_is_told_when_it_is_back(tmp_path):
    told = Manager({"NOTIFY_SOCKET": str(tmp_path / "notify")})
    told.turned(0.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        told.turned(1.0)
        listener.settimeout(1)
        assert listener.recv(100) == b"READY=1"


def test_no_manager_is_told_if_none_asked():
    with Manager({}) as told:
        told.turned(0.0)
        told.tell(lambda: pytest.fail("words are made for nobody"))
