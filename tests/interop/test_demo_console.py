"""`zegel demo --stay` in two browsers: the pilot sees the flight, and the observer's page goes dark when it is revoked."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from tests.browser import chromium
from tests.interop.test_console_page import BRIGHTEST, text, until

pytestmark = [pytest.mark.peers, pytest.mark.soak, pytest.mark.alone]
ZEGEL = Path(sys.executable).with_name("zegel")
LINK = re.compile(r"^ +(pilot|observer): +(http\S+)$", re.MULTILINE)
CANVAS = "#picture canvas"


class Demo:
    """It flies until it is left; `said` is its output until now."""

    def __init__(self, runtime: str) -> None:
        env = {**os.environ, "XDG_RUNTIME_DIR": runtime}
        words = [ZEGEL, "demo", "--stay"]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True, env=env)
        self.said = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            self.said += line

    def end(self) -> int:
        os.killpg(self._process.pid, signal.SIGINT)
        self._reader.join()
        return self._process.wait()


def test_the_observer_leaves_the_list_and_its_own_page_goes_dark():
    with tempfile.TemporaryDirectory() as runtime, chromium() as browser:
        demo = Demo(runtime)
        try:
            until(lambda: len(LINK.findall(demo.said)) == 2)
            pilot, observer = (browser.new_page() for _ in range(2))
            for name, link in LINK.findall(demo.said):
                {"pilot": pilot, "observer": observer}[name].goto(link)
            for page in (pilot, observer):
                until(lambda page=page: text(page, "#seal-word") == "SEALED")
                until(lambda page=page: page.locator(CANVAS).evaluate(BRIGHTEST) > 0)
                assert "observer" in text(page, "#readers")
            until(lambda: "ffplay" in demo.said, 120)
            until(lambda: text(observer, "#seal-word") == "CLOSED TO THIS STATION")
            assert observer.locator(CANVAS).evaluate(BRIGHTEST) == 0
            until(lambda: text(pilot, "#seal-word") == "SEALED")
            assert "observer" not in text(pilot, "#readers")
            until(lambda: pilot.locator(CANVAS).evaluate(BRIGHTEST) > 0)
        finally:
            code = demo.end()
    assert code == 0, demo.said
