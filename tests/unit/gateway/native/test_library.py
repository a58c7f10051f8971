"""Finding the libraries, refusing wrong ones, and the one place of a key."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.native import library
from gateway.native.library import Library, Unavailable
from gateway.native.structures import KEY_SIZE, Cipher, Open, Seal
from gateway.recording.group import Group
from gateway.recording.stage import HEAD_WORDS, STAGE_WORDS

ROOT = Path(__file__).parents[4]


def test_without_a_library_the_reason_says_what_builds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(library.OFF, raising=False)
    with pytest.raises(Unavailable, match=r"zegel-seal\.so is not built; make builds it, with gcc and libssl-dev"):
        Library("seal", Seal, (tmp_path,))


def test_the_environment_turns_it_off(monkeypatch: pytest.MonkeyPatch, sealing: Library):
    monkeypatch.setenv(library.OFF, "0")
    with pytest.raises(Unavailable, match="turns it off"):
        Library("seal", Seal)


def test_what_is_no_library_is_said_and_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(library.OFF, raising=False)
    (tmp_path / "zegel-seal.so").write_bytes(b"no library")
    with pytest.raises(Unavailable, match=r"zegel-seal\.so"):
        Library("seal", Seal, (tmp_path,))


def test_a_library_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch, sealing: Library):
    monkeypatch.setattr(library, "built_from", lambda: b"another turn.c")
    with pytest.raises(Unavailable, match="another version"):
        Library("seal", Seal)


def test_a_library_of_another_layout_is_not_used(sealing: Library):
    with pytest.raises(Unavailable, match="another version"):
        Library("seal", Open)


def test_one_that_another_user_may_replace_is_not_used(tmp_path: Path, sealing: Library):
    copied = Path(shutil.copy(sealing.path, tmp_path))
    assert Library("seal", Seal, (tmp_path,)).path == copied
    for path, mode in ((tmp_path, 0o770), (copied, 0o666)):
        before = path.stat().st_mode
        path.chmod(mode)
        with pytest.raises(Unavailable, match=rf"other users than root may replace {copied}"):
            Library("seal", Seal, (tmp_path,))
        path.chmod(before)
    if os.geteuid() == 0:
        os.chown(tmp_path, 12_345, -1)
        with pytest.raises(Unavailable, match="may replace"):
            Library("seal", Seal, (tmp_path,))


def test_one_that_is_not_used_hides_no_other(tmp_path: Path, sealing: Library):
    (tmp_path / "zegel-seal.so").write_bytes(b"of an earlier installation")
    assert sealing.path is not None
    assert Library("seal", Seal, (tmp_path, tmp_path / "none", sealing.path.parent)).path == sealing.path


def test_a_library_of_another_program_is_not_loaded(tmp_path: Path):
    """Also if it has the right hash: a library without our functions is no error."""
    (other,) = {
        line.split()[-1]
        for line in Path("/proc/self/maps").read_text().splitlines()
        if "/libm.so" in line or "/libm-" in line
    }
    (tmp_path / "zegel-seal.so").write_bytes(Path(other).read_bytes() + library.built_from())
    with pytest.raises(Unavailable, match="undefined symbol"):
        Library("seal", Seal, (tmp_path,))


def test_each_library_has_its_own_turn_alone(sealing: Library, opening: Library):
    """So that `zegel air` maps no opener."""
    assert sealing.path is not None
    assert opening.path is not None
    assert b"open_turn" not in sealing.path.read_bytes()
    assert b"seal_turn" not in opening.path.read_bytes()


KEY = bytes(range(100, 100 + KEY_SIZE))
HOLDS_A_KEY = """
from gateway.native.library import Library
from gateway.native.structures import Cipher, Seal
library, cipher = Library("seal", Seal), Cipher()
library.make(cipher)
library.take_key(cipher, bytes(range(100, 132)), bytes(12), 0x1A4, bytes(16))
print("taken", flush=True)
input()
library.wipe(cipher)
print("wiped", flush=True)
input()
"""


def places(pid: int, wanted: bytes) -> set[int]:
    """Where in the writable memory of a process these bytes are."""
    found = set()
    with Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            begin, end, mode = line.replace("-", " ", 1).split()[:3]
            if mode.startswith("rw"):
                memory.seek(int(begin, 16))
                part = memory.read(int(end, 16) - int(begin, 16))
                found |= {int(begin, 16) + each.start() for each in re.finditer(re.escape(wanted), part)}
    return found


def test_a_key_is_in_one_place_that_is_wiped(sealing: Library):
    """The round keys of AES-256 begin with the key itself. The other places are Python's, which cannot wipe bytes."""
    command = [sys.executable, "-c", HOLDS_A_KEY]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        found = []
        for word in ("taken", "wiped"):
            assert child.stdout.readline().strip() == word
            found.append(places(child.pid, KEY))
            print(file=child.stdin, flush=True)
    assert len(found[0] - found[1]) == 1


def test_a_key_that_openssl_does_not_take_is_an_error(sealing: Library):
    with pytest.raises(MemoryError):
        sealing.take_key(Cipher(), bytes(KEY_SIZE), bytes(12), 0x1A4, bytes(16))


def test_the_words_of_the_stages_are_the_structures_of_c(sealing: Library):
    loaded = ctypes.CDLL(str(sealing.path))
    loaded.size_of_stages.restype = ctypes.c_uint64
    assert loaded.size_of_stages() == 8 * (HEAD_WORDS + len(Group) * STAGE_WORDS)
