"""Library: finds and loads zegel-seal.so or zegel-open.so, or says why Python does the work.

What lives here: where they are looked for, and whether one is of this version. What must not: what they are used for.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
import sys
from pathlib import Path

from gateway.native.structures import KEY_SIZE, Cipher, Wait

SOURCE = Path(__file__).with_name("turn.c")
SOURCES = (SOURCE, SOURCE.with_name("wait.c"), SOURCE.with_name("stage.c"))
# Next to the source, as `make` builds it; where `make install` puts it; and the package.
FOLDERS = (SOURCE.parent, Path("/usr/local/lib/zegel"), Path("/usr/lib/zegel"))
OFF = "ZEGEL_NATIVE"  # "0" in the environment turns it off, for tests and measurements
NO_KEY = bytes(KEY_SIZE)


class Unavailable(Exception):
    """Why the data path is Python's, in plain words."""


class Library:
    """One of the two, for turns of one kind. `path`: the file. Unavailable if there is none for this version."""

    def __init__(
        self, name: str, turn: type[ctypes.Structure], folders: tuple[Path, ...] = FOLDERS, *, wanted: bool = True
    ) -> None:
        if not wanted:
            raise Unavailable("native = false turns it off")
        if os.environ.get(OFF) == "0":
            raise Unavailable(f"{OFF}=0 turns it off")
        if sys.platform != "linux" or ctypes.sizeof(ctypes.c_void_p) * 8 != 64:  # noqa: PLR2004 - bits
            raise Unavailable("it is for 64-bit Linux")
        self.path = _found(f"zegel-{name}.so", folders)
        try:
            loaded = ctypes.CDLL(str(self.path))
            self._declare(loaded)
            self.turn, self.wait, self.note = loaded[f"{name}_turn"], loaded.wait_turns, loaded.note_turn
        except (OSError, AttributeError) as error:
            raise Unavailable(str(error)) from None
        sizes = loaded.size_of_turn(), loaded.size_of_wait()
        if loaded.built_from() != built_from() or sizes != (ctypes.sizeof(turn), ctypes.sizeof(Wait)):
            raise Unavailable(_of_another_version(self.path))
        for call in (self.turn, self.wait):
            call.argtypes, call.restype = (ctypes.c_void_p,), ctypes.c_int
        self.note.argtypes, self.note.restype = (ctypes.c_void_p, ctypes.c_int), None
        self._new, self._free, self._key = loaded.cipher_new, loaded.cipher_free, loaded.cipher_key

    @staticmethod
    def _declare(loaded: ctypes.CDLL) -> None:
        loaded.built_from.argtypes, loaded.built_from.restype = (), ctypes.c_char_p
        for size in (loaded.size_of_turn, loaded.size_of_wait):
            size.argtypes, size.restype = (), ctypes.c_uint64
        loaded.cipher_new.argtypes, loaded.cipher_new.restype = (), ctypes.c_void_p
        loaded.cipher_free.argtypes, loaded.cipher_free.restype = (ctypes.c_void_p,), None
        loaded.cipher_key.argtypes, loaded.cipher_key.restype = (ctypes.c_void_p, ctypes.c_char_p), ctypes.c_int

    def make(self, cipher: Cipher) -> None:
        """Give it the room for its key, which is all that is ever allocated. MemoryError if there is none."""
        cipher.context = self._new()
        if not cipher.context:
            raise MemoryError("OpenSSL has no room for a key")
        self.wipe(cipher)

    def take_key(self, cipher: Cipher, key: bytes, salt: bytes, kid: int, session_id: bytes) -> None:
        """Seal or open with this key from now on, and forget the one before it."""
        cipher.kid = kid
        ctypes.memmove(cipher.salt, salt, len(salt))
        ctypes.memmove(cipher.session_id, session_id, len(session_id))
        if self._key(ctypes.addressof(cipher), key) != 1:
            raise MemoryError("OpenSSL did not take the key")

    def wipe(self, cipher: Cipher) -> None:
        """Overwrite the key."""
        self.take_key(cipher, NO_KEY, bytes(len(cipher.salt)), 0, bytes(len(cipher.session_id)))

    def free(self, cipher: Cipher) -> None:
        """Wipe the key and give the room back."""
        self._free(cipher.context)
        cipher.context = None


def _found(file: str, folders: tuple[Path, ...]) -> Path:
    """The first one of this version that no other user may replace. It is not loaded to find that out."""
    reason = f"{file} is not built; make builds it, with gcc and libssl-dev"
    for path in (folder / file for folder in folders):
        try:
            content, wanted = path.read_bytes(), built_from()
            if not (_is_protected(path) and _is_protected(path.parent)):
                reason = f"other users than root may replace {path}"
            elif wanted not in content:
                reason = _of_another_version(path)
            else:
                return path
        except FileNotFoundError:
            continue
        except OSError as error:
            reason = str(error)
    raise Unavailable(reason)


def _is_protected(path: Path) -> bool:
    """As the files of Python are: it stands among them, or only root and their owner can write it."""
    there, ours = path.stat(), SOURCE.stat()
    among_them = SOURCE.parent in {path, path.parent}
    return among_them or (there.st_uid in {0, ours.st_uid} and not there.st_mode & (stat.S_IWGRP | stat.S_IWOTH))


def _of_another_version(path: Path) -> str:
    return f"{path} is of another version of zegel; make builds it again"


def built_from() -> bytes:
    """What a library of this version has of its sources."""
    return hashlib.sha256(b"".join(source.read_bytes() for source in SOURCES)).hexdigest().encode()
