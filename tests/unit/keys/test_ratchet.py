"""The ratchet of a recording: its known answer, and that a running process holds no earlier key. SPEC.md section 8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keys.ratchet import Ratchet, wipe
from tests.vectors.independent import hkdf_expand

RK_0 = bytes(range(32))
HOLDER = """
import sys
from keys.ratchet import Ratchet, wipe
rk = bytearray(32)
sys.stdin.buffer.raw.readinto(rk)  # a buffered reader would keep a copy
ratchet = Ratchet(rk)
for _ in range(3):
    wipe(segment_key := ratchet.turn())
segment_key = ratchet.turn()
print("turned", flush=True)
sys.stdin.buffer.raw.read(1)
ratchet.wipe(), wipe(segment_key)
print("ended", flush=True)
sys.stdin.buffer.raw.read(1)
"""


def chain(rk: bytes, turns: int) -> tuple[list[bytes], list[bytes]]:
    """(rk_0 to rk_turns, segment_key_0 to the last), by the formula of SPEC.md and the standard library alone."""
    rks, segment_keys = [rk], []
    for _ in range(turns):
        derived = hkdf_expand("sha512", rks[-1], b"Zegel 1.0 Record ratchet", 64)
        segment_keys.append(derived[:32])
        rks.append(derived[32:])
    return rks, segment_keys


def test_the_known_answer():
    rk = bytearray(RK_0)
    ratchet = Ratchet(rk)
    assert ratchet.turn().hex() == "619092b9d59bcf90f01deda76ceabe60be6688b354dd55b13e4a8507547c119e"
    assert rk.hex() == "bc6182a96a6b92016ced98ae0efde2c1b761f33a73586f0bcfb9e13aa047baf5"


def test_each_segment_has_its_own_key():
    ratchet = Ratchet(bytearray(RK_0))
    keys = [bytes(ratchet.turn()) for _ in range(100)]
    assert keys == chain(RK_0, 100)[1]
    assert len(set(keys)) == 100


def test_it_erases_the_buffer_that_it_was_made_with():
    rk = bytearray(RK_0)
    ratchet = Ratchet(rk)
    segment_key = ratchet.turn()
    ratchet.wipe()
    wipe(segment_key)
    assert rk == segment_key == bytes(32)
    with pytest.raises(ValueError, match="erased"):
        ratchet.turn()


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_size(size: int):
    with pytest.raises(ValueError, match="32 bytes"):
        Ratchet(bytearray(size))


def test_no_key_is_in_a_repr():
    assert repr(Ratchet(bytearray(RK_0))) == "Ratchet()"


def memory(pid: int) -> bytes:
    """Everything that a process can read of its own memory."""
    found = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, mode, *_ = line.split()
            begin, end = (int(part, 16) for part in span.split("-"))
            if mode.startswith("rw"):
                mem.seek(begin)
                found.append(mem.read(end - begin) or b"")
    return b"|".join(found)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_running_process_holds_no_earlier_key():
    """An attacker who reads the memory of a running recorder gets nothing that was recorded before: SPEC.md section 8."""
    rk_0 = os.urandom(32)
    rks, segment_keys = chain(rk_0, 4)
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(rk_0)
        process.stdin.flush()
        assert process.stdout.readline() == b"turned\n"
        held = memory(process.pid)
        assert rks[4] in held  # it does look where keys are
        assert segment_keys[3] in held
        assert not [number for number, key in enumerate((*rks[:4], *segment_keys[:3])) if key in held]
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"ended\n"
        held = memory(process.pid)
        assert not [number for number, key in enumerate((*rks, *segment_keys)) if key in held]
        process.stdin.write(b"\n")
