"""A neighbour that eats all memory: the system ends it, and the flight does not notice. Needs root, for a control group."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.stage import Program
from tests.system.house import Flight
from tests.system.test_links import Traffic

GROUPS = Path("/sys/fs/cgroup")
ROOM_MB = 256  # for air and ground, which take half of it, and the neighbour
HOG = "held = []\nwhile True:\n    held.append(bytearray(b'x' * (1 << 20)))"


@contextlib.contextmanager
def control_group(room_mb: int) -> Iterator[Path]:
    """Of whichever version the system has; skips where none can be made."""
    new = (GROUPS / "cgroup.controllers").exists()
    group = (GROUPS if new else GROUPS / "memory") / f"zegel-{os.getpid()}"
    try:
        if new:
            (GROUPS / "cgroup.subtree_control").write_text("+memory")
        group.mkdir()
        (group / ("memory.max" if new else "memory.limit_in_bytes")).write_text(str(room_mb << 20))
        with contextlib.suppress(OSError):  # a system without swap may not have it
            (group / ("memory.swap.max" if new else "memory.memsw.limit_in_bytes")).write_text(
                "0" if new else str(room_mb << 20)
            )
    except OSError as error:
        pytest.skip(f"needs root, for a control group of its own: {error}")
    try:
        yield group
    finally:
        for _ in range(50):
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.1)


@pytest.fixture
def group():
    with control_group(ROOM_MB) as made:
        yield made


def test_a_neighbour_that_eats_the_memory_ends_and_the_flight_goes_on(group, fly):
    flight: Flight = fly()
    flight.wait_open()
    traffic, pilot = Traffic(flight.fc_port), flight.stations["pilot"]
    flight.step_more = traffic.step
    programs: list[Program] = [flight.air, pilot.program]
    for program in programs:
        (group / "cgroup.procs").write_text(str(program.process.pid))
    flight.run(0.5)
    for _ in range(2):
        into = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n{HOG}"
        hog = subprocess.Popen([sys.executable, "-c", into], stderr=subprocess.DEVNULL)
        assert flight.until(lambda done=hog: done.poll() is not None), "the neighbour found room"
        assert hog.returncode == -9
        flight.run(0.5)
    assert all(program.running for program in programs)
    traffic.next = float("inf")
    assert flight.until(lambda: len(pilot.frames) >= len(traffic.sent)), flight.logs()
    assert pilot.frames == traffic.sent
    traffic.socket.close()


def test_no_room_for_a_single_page_more_is_not_the_end(fly):
    """An address space that is full: threads cannot start, buffers cannot grow; what flies has what it needs."""
    flight: Flight = fly()
    flight.wait_open()
    traffic, pilot = Traffic(flight.fc_port), flight.stations["pilot"]
    flight.step_more = traffic.step
    flight.run(1.0)
    for program in (flight.air, pilot.program):
        status = Path(f"/proc/{program.process.pid}/status").read_text()
        size_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmSize"))
        subprocess.run(["prlimit", "--pid", str(program.process.pid), f"--as={size_kb << 10}"], check=True)
    flight.run(2.0)
    traffic.next = float("inf")
    assert flight.until(lambda: len(pilot.frames) >= len(traffic.sent)), flight.logs()
    assert pilot.frames == traffic.sent
    assert flight.air.running
    assert pilot.program.running
    traffic.socket.close()
