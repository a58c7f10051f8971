"""A clone in a Debian that has neither gcc nor the headers of OpenSSL: all works, in Python, and the doctor says why."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.system.debian import empty_debian
from tests.system.namespaces import Host
from tests.system.test_bare_machine import Computer

pytestmark = pytest.mark.soak

PACKAGES = "sudo,ca-certificates,git,make,python3-venv"
TESTED = "tests/unit/gateway/native tests/unit/gateway/air tests/unit/gateway/ground tests/unit/gateway/board"
REASON = "Python, because zegel-{}.so is not built; make builds it, with gcc and libssl-dev"


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Computer]:
    made, host = empty_debian(PACKAGES), Host(all_users=True)
    there = Computer(made, tmp_path_factory.mktemp("laptop") / "root", "laptop", "ana", host)
    assert not (there.path / "usr/bin/gcc").exists()
    yield there
    host.end()
    shutil.rmtree(there.path)


def typed(laptop: Computer, line: str, code: int | None = 0) -> str:
    words = laptop.words(line)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert code in (None, done.returncode), done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_demo_flies_in_python_and_the_doctor_says_why(laptop: Computer, figure):
    said = typed(laptop, "git clone -q /srv/zegel zegel && make -C zegel demo")
    assert "video will be sealed and opened in Python: there is no gcc" in said
    assert "NO " not in said
    (told,) = re.findall("data path: (.*)", said)
    assert told == "; ".join(REASON.format(library) for library in ("open", "seal"))
    for role, library in (("air", "seal"), ("ground", "open")):
        (told,) = re.findall("data path: (.*)", typed(laptop, f"zegel/.venv/bin/zegel doctor {role}", code=None))
        figure(f"without gcc, zegel doctor {role}: data path: {told}")
        assert told == REASON.format(library)


def test_the_tests_pass_and_those_of_c_say_that_it_is_not_there(laptop: Computer, figure):
    said = typed(laptop, "git clone -q /srv/zegel tested && make -C tested .venv/ready-test")
    said = typed(laptop, f"cd tested && .venv/bin/python -m pytest -rs -p no:cacheprovider {TESTED}")
    assert "zegel-seal.so is not built" in said
    figure(f"without gcc: {re.findall('[0-9]+ passed.*', said)}")
