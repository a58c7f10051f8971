"""Firefox for tests: the system's, without a window, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/).

Playwright drives only a Firefox of its own, which is a download from its maker.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from gateway.demo.stage import HOST, free_port

PROGRAMS = ("firefox-esr", "firefox")
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 10.0


class Firefox:
    """One tab of a started browser."""

    def __init__(self, session: ClientConnection) -> None:
        self._session, self._number = session, 0
        self._call("session.new", {"capabilities": {}})
        self._tab = self._call("browsingContext.getTree", {})["contexts"][0]["context"]

    def before_each_page(self, script: str) -> None:
        """These statements run in every page before its own scripts."""
        self._call("script.addPreloadScript", {"functionDeclaration": f"() => {{ {script} }}"})

    def open(self, url: str) -> None:
        self._call("browsingContext.navigate", {"context": self._tab, "url": url, "wait": "complete"})

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, of what JSON can say. AssertionError if it throws."""
        words = {"expression": f"JSON.stringify({expression})", "target": {"context": self._tab}, "awaitPromise": True}
        answer = self._call("script.evaluate", words)
        assert answer["type"] == "success", answer
        return json.loads(answer["result"].get("value", "null"))

    def _call(self, method: str, words: dict[str, object]) -> Any:
        self._number += 1
        self._session.send(json.dumps({"id": self._number, "method": method, "params": words}))
        while True:
            answer = json.loads(self._session.recv(STARTS_WITHIN_S))
            if answer.get("id") == self._number:
                assert answer["type"] == "success", answer
                return answer["result"]


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A started browser with a new profile in this empty folder; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("needs Firefox: apt-get install firefox-esr")
    port = free_port(socket.SOCK_STREAM)
    words = [program, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with _session(port) as session:
            yield Firefox(session)
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _session(port: int) -> ClientConnection:
    until = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            return connect(f"ws://{HOST}:{port}/session", max_size=None, proxy=None)
        except OSError:
            assert time.monotonic() < until, "Firefox does not listen"
            time.sleep(0.1)
