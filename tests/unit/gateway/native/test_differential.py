"""The turn in C does what Python does, on the same datagrams: hostile ones, gaps, ends of keys, bounds."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeAlias

import pytest

from gateway.native.library import Library
from tests.differential import film, fly
from tests.property.seeds import seeds
from tests.unit.gateway.conftest import SANITIZED

ROOT = Path(__file__).parents[4]
MILLIONS = 1_000_000  # datagrams to each of the two
FEWER = 100_000
RUNTIME = {"address": "libasan.so", "undefined": "libubsan.so"}
PLANTED = {  # turn.c, stage.c: PLANTED_BUG
    1: "a header that does not grow where its counter does",
    2: "what failed its tag is not wiped",
    3: "a key that seals one datagram too many",
    4: "a datagram one beyond the beat is opened",
    5: "one datagram more than there is room for",
    6: "two slots more than the window has",
    8: "a datagram that is not recorded, and not counted",
    9: "the sealed datagram is recorded, not what came",
    10: "a record that ends beyond its message",
    11: "a datagram of a link that is not recorded",
    12: "an opened datagram of a link is recorded, not what came",
}
SEEN_BY_A_FUZZER = {number: PLANTED[number] for number in (4, 5, 6)}
# An input to begin with: messages of genuine datagrams, the headers of each equally long, one datagram too many in a turn.
FULL = bytes((0, 0, 1)) + b"".join(bytes((1, 0, 0, count - 1, 0, 16)) for count in (8, 64, 64, 64, 56, 64)) + bytes(2)
SEEN_BY_A_SANITIZER = {5: "undefined", 6: "address", 10: "address"}


@pytest.mark.parametrize("seed", seeds(6, 6))
def test_an_aircraft_sends_the_same(sealing: Library, seed: int):
    came, in_c = film(sealing, seed)
    assert came > in_c > 0


@pytest.mark.parametrize("seed", seeds(6, 6))
def test_a_ground_opens_the_same(opening: Library, seed: int):
    came, in_c = fly(opening, seed)
    assert came > in_c > 0


def built(folder: Path, *flags: str) -> Path:
    subprocess.run([ROOT / "packaging/native", folder, *flags], check=True)
    if not (folder / "zegel-open.so").exists():
        pytest.skip("no compiler, or no headers of OpenSSL")
    return folder


Result: TypeAlias = "subprocess.CompletedProcess[str]"


def compare(folder: Path, datagrams: int, *options: str, **environment: str) -> Result:
    command = [sys.executable, *options, "-m", "tests.differential", folder, str(datagrams)]
    every = {**os.environ, **environment}
    return subprocess.run(command, check=False, cwd=ROOT, env=every, capture_output=True, text=True)


def sanitized(folder: Path, sanitizer: str, *flags: str) -> Result:
    """The same datagrams to libraries that check each access. With `flags` only that is left: Python asserts nothing."""
    return compare(folder, FEWER, *["-O"] * bool(flags), **checking(folder, sanitizer, *flags))


def checking(folder: Path, sanitizer: str, *flags: str) -> dict[str, str]:
    """Build libraries that check each access; the environment in which Python can load them."""
    built(folder, f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", "-g", "-fno-omit-frame-pointer", *flags)
    asked = ["gcc", f"-print-file-name={RUNTIME[sanitizer]}"]
    runtime = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    return {"LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0"}


def fuzzed(folder: Path, *flags: str) -> Result:
    """FUZZ in the environment says how many inputs."""
    if not shutil.which("clang"):
        pytest.skip("no clang")
    fuzzer, source = folder / "fuzz_open", Path(__file__).with_name("fuzz_open.c")
    checked = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-O2", "-g"]
    stage = ROOT / "gateway/native/stage.c"
    words = ["-std=gnu11", "-DOPEN", '-DBUILT_FROM=""', f"-I{ROOT / 'gateway/native'}", "-o", fuzzer]
    subprocess.run(["clang", *checked, *words, *flags, source, stage, "-lcrypto"], check=True)
    runs = [f"-runs={os.environ.get('FUZZ', '200000')}", "-max_len=600", "-print_final_stats=1"]
    corpus = folder / "corpus"
    corpus.mkdir()
    (corpus / "full").write_bytes(FULL)
    return subprocess.run([fuzzer, corpus, *runs], cwd=folder, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("library", ["SEAL", "OPEN"])
def test_static_analysis_finds_nothing(library: str):
    if not shutil.which("cppcheck"):
        pytest.skip("no cppcheck")
    kinds = ["--enable=warning,performance,portability", "--inconclusive", "--error-exitcode=1", "--quiet", "--std=c11"]
    sources = sorted((ROOT / "gateway/native").glob("*.c"))
    words = ["cppcheck", *kinds, f"-D{library}", '-DBUILT_FROM=""', "-UPLANTED_BUG", *sources]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.soak
@pytest.mark.parametrize("bug", PLANTED, ids=PLANTED.get)
def test_the_comparison_finds_a_planted_bug(tmp_path: Path, bug: int):
    done = compare(built(tmp_path, f"-DPLANTED_BUG={bug}"), FEWER)
    assert done.returncode
    assert "AssertionError" in done.stderr


@pytest.mark.soak
@pytest.mark.parametrize("bug", SEEN_BY_A_SANITIZER, ids=PLANTED.get)
def test_a_sanitizer_finds_a_planted_bug(tmp_path: Path, bug: int):
    done = sanitized(tmp_path, SEEN_BY_A_SANITIZER[bug], f"-DPLANTED_BUG={bug}")
    assert done.returncode
    assert re.search(r"turn\.c:\d+:\d+: runtime error: index|AddressSanitizer: heap-buffer-overflow", done.stderr), (
        done.stderr
    )


@pytest.mark.soak
@pytest.mark.parametrize("bug", SEEN_BY_A_FUZZER, ids=PLANTED.get)
def test_a_fuzzer_finds_a_planted_bug(tmp_path: Path, bug: int):
    assert fuzzed(tmp_path, f"-DPLANTED_BUG={bug}").returncode


@pytest.mark.soak
def test_millions(tmp_path: Path):
    done = compare(built(tmp_path), MILLIONS)
    assert done.returncode == 0, done.stderr[-4_000:]
    print(done.stdout)


@pytest.mark.soak
def test_a_process_that_stands_still_is_no_difference(tmp_path: Path):
    """What waits meanwhile is too old afterwards."""
    command = [sys.executable, "-m", "tests.differential", built(tmp_path), "30000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        while child.poll() is None:
            time.sleep(1.0)
            child.send_signal(signal.SIGSTOP)
            time.sleep(1.5)
            child.send_signal(signal.SIGCONT)
        assert child.stdout is not None
        print(child.stdout.read())
    assert child.returncode == 0


@pytest.mark.soak
@pytest.mark.parametrize("sanitizer", RUNTIME)
def test_no_sanitizer_finds_anything(tmp_path: Path, sanitizer: str):
    done = sanitized(tmp_path, sanitizer)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "runtime error" not in done.stderr, done.stderr
    print(done.stdout)


@pytest.mark.soak
@pytest.mark.parametrize("sanitizer", RUNTIME)
def test_no_sanitizer_finds_anything_while_c_waits_and_records(tmp_path: Path, sanitizer: str):
    every = {**os.environ, **checking(tmp_path, sanitizer), SANITIZED: str(tmp_path)}
    files = [Path(__file__).with_name(name) for name in ("test_wait.py", "test_stage.py")]
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files]
    done = subprocess.run(words, check=False, cwd=ROOT, env=every, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4_000:]
    assert " skipped" not in done.stdout
    print(done.stdout.splitlines()[-1])


@pytest.mark.soak
def test_a_fuzzer_finds_nothing(tmp_path: Path):
    done = fuzzed(tmp_path)
    assert done.returncode == 0, done.stderr[-4_000:]
    print(*done.stderr.splitlines()[-6:], sep="\n")
