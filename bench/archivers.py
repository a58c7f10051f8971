"""Archivers: programs that encrypt a file, for comparison with a recorder: age, and Tink's streaming AEAD.

What lives here: for each the CPU time of sealing a file and of opening it, and SHA-256 of the ciphertext in both, as the
recorder's log has it. What must not: rounds, tables.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bench.compiler import Absent
from bench.workspace import Scene
from gateway.recording import card, opening

PIECE = 65_536
CONTEXT = b"zegel bench"
NO_TINK = 3  # how a child without Tink ends


class Took(NamedTuple):
    """CPU seconds."""

    seals: float
    opens: float


class Archiver(Protocol):
    """`install` is the command that installs it."""

    name: str
    install: str

    def start(self, scene: Scene) -> None:
        """Make its keys. FileNotFoundError or Absent if it is not installed."""

    def run(self, source: Path) -> Took:
        """Seal this file, and open it, in its folder."""


class Age:
    """age: ChaCha20-Poly1305, X25519."""

    name, install = "age and SHA-256", "apt install age"

    def start(self, scene: Scene) -> None:
        self._identity = scene.folder / "age.txt"
        _, self._identity_text = _said("age-keygen", "-o", str(self._identity))
        _, public = _said("age-keygen", "-y", str(self._identity))
        self._recipient = public.strip()

    def run(self, source: Path) -> Took:
        sealed, opened = source.with_suffix(".age"), source.with_suffix(".age.plain")
        seals, _ = _said("age", "-r", self._recipient, "-o", str(sealed), str(source))
        opens, _ = _said("age", "-d", "-i", str(self._identity), "-o", str(opened), str(sealed))
        hashes = hashing(sealed)
        sealed.unlink()
        opened.unlink()
        return Took(seals + hashes, opens + hashes)


class Tink:
    """Tink for Python: AES256_GCM_HKDF_1MB."""

    name, install = "Tink and SHA-256", f"{sys.executable} -m pip install tink"

    def start(self, scene: Scene) -> None:
        probe = scene.folder / "probe"
        probe.write_bytes(bytes(PIECE))
        self.run(probe)

    def run(self, source: Path) -> Took:
        try:
            _, told = _said(sys.executable, "-m", "bench.archivers", str(source))
        except subprocess.CalledProcessError as error:
            if error.returncode == NO_TINK:
                raise Absent("no tink", hint=self.install) from None
            raise
        return Took(*map(float, told.split()))


ARCHIVERS: tuple[Archiver, ...] = (Age(), Tink())


def hashing(path: Path) -> float:
    """CPU seconds of SHA-256 of a file, as `zegel recording list --check` computes it."""
    began = time.process_time()
    with card.File(path) as file:
        opening.sha256(file, file.size)
    return time.process_time() - began


def _said(*words: str) -> tuple[float, str]:
    """CPU seconds of a program, and what it says. FileNotFoundError, CalledProcessError."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        told = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    return used.ru_utime + used.ru_stime, told


# --- the child that has Tink ---


class _Hashed(io.RawIOBase):
    """A file, and SHA-256 of all that is written or read."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__()
        self._file, self._hash = path.open(mode, buffering=0), hashlib.sha256()

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._hash.update(data)
        return int(self._file.write(data))

    def readinto(self, buffer: Any) -> int:
        count = int(self._file.readinto(buffer))  # type: ignore[attr-defined]
        self._hash.update(memoryview(buffer)[:count])
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def main() -> int:
    """Print the CPU seconds of sealing and of opening a file."""
    source = Path(sys.argv[1])
    try:
        import tink  # noqa: PLC0415 - where it is installed
        from tink import streaming_aead as aead  # noqa: PLC0415
    except ImportError:
        return NO_TINK
    aead.register()
    handle = tink.new_keyset_handle(aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB)
    primitive = handle.primitive(aead.StreamingAead)
    sealed, opened = source.with_suffix(".tink"), source.with_suffix(".tink.plain")
    began = time.process_time()
    with primitive.new_encrypting_stream(_Hashed(sealed, "wb"), CONTEXT) as out, source.open("rb", buffering=0) as plain:
        while piece := plain.read(PIECE):
            out.write(piece)
    middle = time.process_time()
    with primitive.new_decrypting_stream(_Hashed(sealed, "rb"), CONTEXT) as read, opened.open("wb", buffering=0) as out:
        while piece := read.read(PIECE):
            out.write(piece)
    print(middle - began, time.process_time() - middle)
    sealed.unlink()
    opened.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
