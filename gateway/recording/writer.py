"""Writer: brings cuts to the card, in order, and again if the card failed. SPEC.md section 8.

    1  segments  as they grow, so that little waits for the cut          `_write`
    2  a cut     headers, the rest, all of it synced; then its leaf,      `_count`
                 synced too: only now does the cut count
    3  failure   everything that does not count is written once more,     `_fail`
                 from the beginning and as ciphertext, when the card can

What must not live here: keys, and what is cut when.
"""

from __future__ import annotations

import errno
import hashlib
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gateway.recording import leaf
from gateway.recording.disk import Disk
from gateway.recording.leaf import Leaf, Open
from gateway.recording.on_card import OnCard
from gateway.recording.reason import GapReason
from gateway.recording.segment import Batch, SessionFiles

RETRY_S = 2.0
RESUME_ROOM = 16 << 20  # bytes: a card that was full is written again when it has so many above those that are kept free
EARLY = 262_144  # bytes: when so many are new in a file, the system is told to write them
PAGE = 4096
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Trouble(NamedTuple):
    """Why the card takes nothing now."""

    reason: GapReason
    text: str


class Writer:
    """Batches wait here until they count. Only `work`, `tell` and `leave` call the disk; no OSError leaves them.

    `trouble`   why the card takes nothing; None if it does
    `found`     the leaves that an earlier process had written in this session; None if they were read already
    `counted`   bytes of this session's segments that count; `counted_ever` those of all sessions
    `room`      bytes above those that are kept free, when it was last looked
    """

    def __init__(self, disk: Disk, folder: Path, keep_free: int) -> None:
        self._disk, self._folder, self._keep_free = disk, folder.resolve(), keep_free  # the settings may name a link
        self._batches: deque[Batch] = deque()
        self._session: SessionFiles | None = None
        self._on_card: OnCard | None = None
        self._is_mount: bool | None = None
        self._begun = b""  # the session that was opened once
        self._retry_at = float("-inf")
        self.trouble: Trouble | None = None
        self.found: list[Leaf] | None = None
        self.counted = self.counted_ever = 0
        self.room: int | None = None

    def begin(self, session: SessionFiles) -> None:
        """Its folder is made, and its log read, before the first batch."""
        self._session = session

    def add(self, batch: Batch) -> None:
        """It may still grow; those before it are closed."""
        self._batches.append(batch)

    def waiting(self) -> int:
        """Bytes that are kept because they do not count yet."""
        return sum(batch.memory() for batch in self._batches)

    def abandon(self) -> None:
        """Air is gone: what it has not signed by now, it will not."""
        for batch in self._batches:
            if batch.closed and not batch.ready():
                batch.abandon()

    def is_idle(self) -> bool:
        """Nothing that is closed waits for the card."""
        return not any(batch.closed for batch in self._batches)

    def work(self, now: float) -> None:
        """Write what can be written."""
        if self.trouble and now < self._retry_at:
            return
        try:
            self._all()
        except _NoRoomError:
            self.trouble, self._retry_at = Trouble(GapReason.CARD_FULL, "card full"), now + RETRY_S
        except OSError as error:
            self._fail(error, now)

    def _all(self) -> None:
        if self._is(GapReason.CARD_FULL):
            self._require_room(RESUME_ROOM)
        if self._session and not self._batches:
            self._open(self._session)
        while self._batches:
            batch = self._batches[0]
            on_card = self._open(batch.session)
            if self.room is None:
                self._require_room()
            self._write(on_card, batch)
            if not batch.ready():
                break
            self._count(on_card, batch)
            self._batches.popleft()
            if self._is(GapReason.CARD_FAILED):
                self.trouble = None  # only now: what is written before a sync says nothing about the card
            self._require_room()
        if self._is(GapReason.CARD_FULL):
            self.trouble = None

    def _is(self, reason: GapReason) -> bool:
        return self.trouble is not None and self.trouble.reason == reason

    def tell(self, session: SessionFiles, leaves: Iterable[Leaf], now: float) -> bool:
        """Write these at once, which a full card has place for too; False if they have to wait."""
        batch = Batch(session)
        batch.leaves += leaves
        try:
            self._count(self._open(session), batch)
        except OSError as error:
            self._fail(error, now)
            return False
        return True

    def leave(self) -> None:
        """Close all files; the next `work` opens them."""
        self._disk.close_all()
        self._on_card = None

    def _open(self, session: SessionFiles) -> OnCard:
        if self._on_card is None or self._on_card.session is not session:
            self.leave()
            self._require_card()
            self._on_card = OnCard(self._disk, self._folder, session)
            if self._begun != session.session_id:
                self._begun, self.found, self.counted, self.room = session.session_id, self._on_card.log.found, 0, None
        return self._on_card

    def _require_card(self) -> None:
        """The folder is made once; later its absence says that the card is gone, and what is under it is no card."""
        if self._is_mount is None:
            self._disk.make_folder(self._folder)
            self._is_mount = self._disk.is_mount(self._folder)
        elif self._is_mount and not self._disk.is_mount(self._folder):
            raise OSError(errno.ENODEV, "it is not there")

    def _write(self, on_card: OnCard, batch: Batch) -> None:
        for segment in batch.segments:
            file = on_card.open(segment)
            if pieces := segment.pieces[file.pieces :]:
                self._disk.write(file.handle, file.size, pieces)
                file.pieces += len(pieces)
                file.size += sum(map(len, pieces))
            if (new := (file.size - file.started) // PAGE * PAGE) >= EARLY:
                self._disk.start_writing(file.handle, file.started, new)
                file.started += new

    def _count(self, on_card: OnCard, batch: Batch) -> None:
        for segment in batch.segments:
            on_card.put_header(segment.recording)
        leaves = [*_before(on_card, batch), *(one for one in batch.leaves if one not in on_card.log.found)]
        data = on_card.log.prepare(leaves)
        self._disk.sync_all(on_card.unsynced(batch.segments), on_card.folders)
        on_card.log.commit(data)
        on_card.close(batch.segments)
        on_card.logged |= {one.rec_id for one in leaves if isinstance(one, leaf.Recording)}
        self.counted += (size := batch.length())
        self.counted_ever += size

    def _require_room(self, least: int = 1) -> None:
        self.room = max(0, self._disk.room(self._folder) - self._keep_free)
        if self.room < least:
            raise _NoRoomError

    def _fail(self, error: OSError, now: float) -> None:
        """After an error of a sync the system forgets what it could not write: all that does not count is written again."""
        full = error.errno in NO_ROOM
        reason = GapReason.CARD_FULL if full else GapReason.CARD_FAILED
        text = "card full" if full else f"card failed: {self._folder}: {(error.strerror or str(error)).lower()}"
        self.trouble, self._retry_at = Trouble(reason, text), now + RETRY_S
        self.leave()


class _NoRoomError(Exception):
    """Less room than is kept free."""


def _before(on_card: OnCard, batch: Batch) -> list[Leaf]:
    """The leaves that must be in the log before those of the batch."""
    found = list[Leaf]()
    if on_card.log.is_empty():
        found.append(Open(batch.session.order_hash, batch.session.software))
    for segment in batch.segments:
        recording = segment.recording
        if recording.rec_id not in on_card.logged:
            found.append(leaf.Recording(recording.rec_id, hashlib.sha256(recording.message).digest()))
    return found
