"""Aead: the ways to encrypt in Python, and a child process that times them, with a mask for its processor's features.

What lives here: the calls themselves. What must not: rounds, tables, and comparisons (measures/cipher.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from types import TracebackType

from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.clock import cpu_per_call
from gateway.batch import TAG_SIZE
from keys.keyring import NONCE_SIZE

KEY, NONCE, CONTEXT = bytes(32), bytes(NONCE_SIZE), b"zegel bench"
AAD = bytes(24)  # like that of a datagram: header and session id


def encrypt(size: int) -> Callable[[], object]:
    """A new bytes object for each message."""
    cipher, plain = AESGCM(KEY), bytes(size)
    return lambda: cipher.encrypt(NONCE, plain, AAD)


def encrypt_into(size: int) -> Callable[[], object]:
    """From one buffer into another."""
    cipher, plain, out = AESGCM(KEY), bytes(size), bytearray(size + TAG_SIZE)
    return lambda: cipher.encrypt_into(NONCE, plain, AAD, out)


def in_place(size: int) -> Callable[[], object]:
    """Like the data path: slices of an arena, the ciphertext in place of the plaintext."""
    cipher, arena = AESGCM(KEY), memoryview(bytearray(size + TAG_SIZE))
    return lambda: cipher.encrypt_into(NONCE, arena[:size], AAD, arena)


def cobblestone(size: int) -> Callable[[], object]:
    """One whole message of Cobblestone-256: its key is derived, and it is cut into chunks of 16 KiB."""
    plain = bytes(size)

    def message() -> None:
        encryptor = Cobblestone256Encryptor(KEY, CONTEXT)
        encryptor.update(plain)
        encryptor.finalize()

    return message


WAYS: Mapping[str, Callable[[int], Callable[[], object]]] = {
    "encrypt": encrypt,
    "encrypt_into": encrypt_into,
    "in place": in_place,
    "Cobblestone-256": cobblestone,
}


class Child:
    """A process that times WAYS with `environment` over its own: OpenSSL reads its processor mask once, at its start."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.aead"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

    def seconds(self, way: str, size: int, at_least: float) -> float:
        """CPU seconds for one message of `size` bytes."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{size} {at_least} {way}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __enter__(self) -> Child:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


def serve() -> None:
    """Answer each line "SIZE SECONDS WAY" with the CPU seconds of one message, until the parent ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    for line in sys.stdin:
        size, at_least, way = line.rstrip("\n").split(" ", 2)
        print(repr(cpu_per_call(WAYS[way](int(size)), float(at_least))), flush=True)


if __name__ == "__main__":
    serve()
