"""What `harden` does to a process, as the kernel tells it; in a child, for it cannot be undone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="harden is Linux's")
CHILD = """
import ctypes, json, resource
from gateway.loop import hardening
hardening.harden()
limits = open("/proc/self/limits").read().splitlines()
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
core = next(line.split()[4:6] for line in limits if line.startswith("Max core file size"))
print(json.dumps({"core": core, "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), "locked": status["VmLck"].split()[0]}))
"""
CAP_IPC_LOCK = 14
NO_LIMIT = "import resource; resource.getrlimit = lambda _: (resource.RLIM_INFINITY,) * 2\n"


def hardened(before: str = "") -> dict[str, object]:
    """Of a process that may lock 1 MiB."""
    small = f"import resource; resource.setrlimit(resource.RLIMIT_MEMLOCK, (1 << 20, 1 << 20))\n{before}"
    done = subprocess.run([sys.executable, "-c", small + CHILD], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def may_lock() -> bool:
    """Whether this process may lock memory beyond its limit."""
    (held,) = (line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    return bool(int(held, 16) >> CAP_IPC_LOCK & 1)


def test_no_core_file_and_no_debugger_of_the_same_user():
    found = hardened()
    assert found["core"] == ["0", "0"]
    assert found["dumpable"] == 0  # PR_GET_DUMPABLE: neither ptrace nor /proc/PID/mem of the same user


def test_under_a_finite_limit_nothing_is_locked_for_the_process_would_die_of_it():
    assert hardened()["locked"] == "0"


@pytest.mark.skipif(not may_lock(), reason="needs CAP_IPC_LOCK")
def test_without_a_limit_the_memory_is_kept_out_of_swap():
    """The limit is none for `harden` alone: to raise the kernel's own takes a capability that few containers have."""
    assert int(hardened(NO_LIMIT)["locked"]) > 1000  # kB
