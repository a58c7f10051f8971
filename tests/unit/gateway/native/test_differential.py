"""The turn in C does what Python does, on the same datagrams: hostile ones, gaps, ends of keys, bounds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.native.library import Library
from gateway.native.structures import Open, Seal
from tests.differential import film, fly
from tests.property.seeds import seeds

ROOT = Path(__file__).parents[4]
MILLIONS = 1_000_000  # datagrams to each of the two
SANITIZED = 100_000
RUNTIME = {"address": "libasan.so", "undefined": "libubsan.so"}
PLANTED = {  # turn.c: PLANTED_BUG
    1: "a header that does not grow where its counter does",
    2: "what failed its tag is not wiped",
    3: "a key that seals one datagram too many",
    4: "a datagram one beyond the beat is opened",
}


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


@pytest.mark.soak
@pytest.mark.parametrize("bug", PLANTED, ids=PLANTED.get)
def test_a_planted_bug_is_found(tmp_path: Path, bug: int):
    folder = built(tmp_path, f"-DPLANTED_BUG={bug}")
    sealing, opening = Library("seal", Seal, (folder,)), Library("open", Open, (folder,))

    def search() -> None:
        for seed in range(100):
            film(sealing, seed)
            fly(opening, seed)

    with pytest.raises(AssertionError):
        search()


def run(folder: Path, datagrams: int, **environment: str) -> str:
    command = [sys.executable, "-m", "tests.differential", folder, str(datagrams)]
    every = {**os.environ, **environment}
    done = subprocess.run(command, check=False, cwd=ROOT, env=every, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "runtime error" not in done.stderr, done.stderr
    print(done.stdout)
    return done.stdout


@pytest.mark.soak
def test_millions(tmp_path: Path):
    run(built(tmp_path), MILLIONS)


@pytest.mark.soak
@pytest.mark.parametrize("sanitizer", RUNTIME)
def test_no_sanitizer_finds_anything(tmp_path: Path, sanitizer: str):
    folder = built(tmp_path, f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", "-g", "-fno-omit-frame-pointer")
    asked = ["gcc", f"-print-file-name={RUNTIME[sanitizer]}"]
    runtime = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    run(folder, SANITIZED, LD_PRELOAD=runtime, ASAN_OPTIONS="detect_leaks=0")


@pytest.mark.soak
def test_a_fuzzer_finds_nothing(tmp_path: Path):
    """FUZZ in the environment says how many inputs: ten million take some hours with the sanitizers."""
    if not shutil.which("clang"):
        pytest.skip("no clang")
    fuzzer, source = tmp_path / "fuzz_open", Path(__file__).with_name("fuzz_open.c")
    sanitized = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-O2", "-g"]
    flags = ["-std=gnu11", "-DOPEN", '-DBUILT_FROM=""', f"-I{ROOT / 'gateway/native'}", "-o", fuzzer]
    subprocess.run(["clang", *sanitized, *flags, source, "-lcrypto"], check=True)
    runs = os.environ.get("FUZZ", "200000")
    done = subprocess.run(
        [fuzzer, f"-runs={runs}", "-max_len=600"], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4_000:]
    print(done.stderr.splitlines()[-1])
