"""Settings: the table [record] of air.toml, as a value, and its checks. What must not live here: files, keys."""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec

from gateway.errors import ConfigError

MIB = 1 << 20
FOLDER = "/var/lib/zegel/recordings"
KEEP_FREE_MIB = (0, 1_048_576)
QUEUE_MIB = (4, 1024)
VIDEO_MAX = 2  # cameras C and D
HINT = "see docs/recordings.md"


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[record]. Whether anything is recorded, the order says: by its recording keys."""

    folder: str = FOLDER
    keep_free_mib: int = 256  # of the card: what other programs need
    queue_mib: int = 32  # waits in memory while the card stands still
    video: tuple[str, ...] = ()  # cameras C and D, which are only recorded

    @property
    def keep_free(self) -> int:
        """Bytes."""
        return self.keep_free_mib * MIB

    @property
    def memory(self) -> int:
        """Bytes of the queue, and of what waits for the card."""
        return self.queue_mib * MIB


def check(found: Record, where: str) -> None:
    """ConfigError names what is wrong. `video` is checked with the other endpoints, by gateway.config."""
    if not PurePosixPath(found.folder).is_absolute():
        raise ConfigError(f"{where}: the folder of record is {found.folder!r}", hint=f"a whole path, such as {FOLDER}")
    for name, (low, high) in {"keep_free_mib": KEEP_FREE_MIB, "queue_mib": QUEUE_MIB}.items():
        if not low <= (value := getattr(found, name)) <= high:
            raise ConfigError(f"{where}: {name} of record is {value}", hint=f"it can be {low} to {high}")
    if len(found.video) > VIDEO_MAX:
        raise ConfigError(
            f"{where}: record has {len(found.video)} cameras", hint="two are only recorded, C and D; the link has A and B"
        )
