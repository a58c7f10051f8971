"""Card: whether what flies can be recorded: its folder, file system, room and speed; the recorder.

What lives here: the checks. The measurement is in card_speed.py. Nothing is checked if the order has no recording key.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

from gateway.board import card_speed, disk, orders, service
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject, default_path
from gateway.local_users import RECORDER_USER
from gateway.report import recording_report
from gateway.report.role_status import AirStatus, RecordingStatus
from keys.commands.account import Account
from keys.times import duration

WHAT = "card"
UNIT = "zegel-recorder"
USUAL_BPS = 8_000_000  # one camera; telemetry is little in comparison
NEEDED_BPS = 20_000_000  # two good cameras
ROOM_MIN_S = 3600
STILL_MAX_S = 5.0  # the queue of the recorder holds 13 s at NEEDED_BPS
WITHOUT_JOURNAL = {"vfat", "exfat", "msdos", "fuseblk", "ntfs", "ntfs3"}
MIB = 1 << 20
_BY_HAND = "; a zegel air that is started by hand records elsewhere by --record DIR"


def look(subject: Subject) -> Iterator[Finding]:
    """For which keys, the folder, the recorder."""
    names = orders.recording_keys(subject)
    if subject.air is None or names is None:
        return
    if not names:
        cure = "to record: zegel order issue ... --recording rec.pub (zegel recording keygen makes it)"
        yield ok(WHAT, "nothing is recorded: the order has no recording key", cure)
        return
    yield ok(WHAT, f"what flies is recorded, sealed to {', '.join(map(repr, names))}")
    said = subject.running.recording if isinstance(subject.running, AirStatus) else None
    yield from _folder(Path(said.folder if said and said.folder else subject.air.record.folder), subject)
    if said and said.key:
        yield _connected(said)
    yield from _recorder(subject)


# --- the folder ---


def _folder(path: Path, subject: Subject) -> Iterator[Finding]:
    user = subject.account_of(RECORDER_USER)
    if not user.ours:
        yield unknown(WHAT, f"whether {user.name} can record at {path}", "sudo zegel doctor")
        return
    with user.acting():
        if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
            yield _closed(path, user)
            return
        yield _file_system(path, subject)
        yield _room(path, subject)
        if not subject.live:  # in flight it would take the recorder's turn at the card
            yield _speed(path)


def _closed(path: Path, user: Account) -> Finding:
    made = f"sudo install -d -m 700 -o {user.name} {shlex.quote(str(path))}"
    try:
        if path.is_dir():
            cure = f"{made}; if it is mounted read-only, see why: dmesg | tail{_BY_HAND}"
            return do(WHAT, f"{user.name} cannot write to {path}", cure)
    except PermissionError:
        cure = f"another folder in [record], or chmod o+x them{_BY_HAND}"
        return do(WHAT, f"{user.name} cannot enter the folders above {path}", cure)
    return do(WHAT, f"{path} does not exist", f"mount the card, if it is to be there; then {made}{_BY_HAND}")


def _file_system(path: Path, subject: Subject) -> Finding:
    another = "a partition with ext4 (sudo mkfs.ext4, which deletes all that is on it), by fstab(5) at this folder"
    if beneath := disk.in_memory(path, subject.root):
        return do(WHAT, f"{path} is on {beneath}: a power cut deletes all recordings", another, interrupts=True)
    kind = disk.kind(path)
    if kind in WITHOUT_JOURNAL:
        text = f"{path} is on {kind}, which has no journal: a power cut can lose files that were complete"
        return do(WHAT, text, another, interrupts=True)
    return ok(WHAT, f"{path} is on {kind or 'an unknown file system'}")


def _room(path: Path, subject: Subject) -> Finding:
    assert subject.air
    free = max(0, shutil.disk_usage(path).free - subject.air.record.keep_free_mib * MIB)
    lasts = free * 8 // USUAL_BPS
    text = f"{free / (1 << 30):.1f} GiB of room: {duration(lasts)} at {USUAL_BPS // 1_000_000} Mbit/s, as of one camera"
    if lasts < ROOM_MIN_S:
        cure = f"copy the sessions to the agency, then delete them: zegel recording list {shlex.quote(str(path))}"
        return do(WHAT, text, cure)
    return ok(WHAT, text)


def _speed(path: Path) -> Finding:
    try:
        speed = card_speed.measure(path)
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        return do(
            WHAT, f"{path} cannot be written: {said}", f"make room, or replace the card: df -h {shlex.quote(str(path))}"
        )
    text = f"writes {speed.bytes_per_s * 8 / 1e6:.0f} Mbit/s, longest sync {speed.longest_sync_s:.2f} s"
    if speed.bytes_per_s * 8 < NEEDED_BPS or speed.longest_sync_s > STILL_MAX_S:
        need = f"two good cameras need {NEEDED_BPS // 1_000_000} Mbit/s"
        return do(WHAT, f"{text}; {need}", "a card of class A1 or better, or a disk at USB 3; old cards become slow")
    return ok(WHAT, text)


# --- the recorder ---


def _connected(said: RecordingStatus) -> Finding:
    """What the zegel air that runs says of its recorder."""
    if said.reason == "recorder_restarted":
        cure = f"journalctl -u {UNIT} -n 20, or the terminal of zegel air, says why"
        return do("recorder", f"the running zegel air has none: {said.text}", cure)
    if not said.groups and said.reason is None:
        return ok("recorder", "it begins")
    return ok("recorder", f"the running zegel air is connected to it; {recording_report.line(said)}")


def _recorder(subject: Subject) -> Iterator[Finding]:
    """Its unit, if the configuration is that of the services. Without one zegel air starts the recorder itself."""
    if subject.path != default_path("air") or not (subject.root / service.BOOTED).is_dir():
        return
    facts = service.facts(UNIT)
    loaded, active = facts.get("LoadState", ""), facts.get("ActiveState", "")
    if loaded == "masked":
        yield do("recorder", f"{UNIT} is masked: nothing is recorded", f"sudo systemctl unmask {UNIT}", interrupts=True)
    elif active == "active":
        yield ok("recorder", f"{UNIT} is active, restarted {facts.get('NRestarts', '0')} times")
    elif loaded == "loaded" and active == "inactive":
        yield ok("recorder", f"{UNIT} is not running; zegel-air starts it")
    elif loaded == "loaded":
        yield do("recorder", f"{UNIT} is {active}", f"journalctl -u {UNIT} -n 20 says why")
