"""Listed: the announcements that a beat of a session lists, and what of them has come. SPEC.md section 5.5."""

from __future__ import annotations

from gateway.core.fragment import Reassembler
from keys.announcement import Announcement
from keys.beat import Beat


class Listed:
    """What can be held is bounded by the one beat: when its list is another's, all that is not whole is forgotten."""

    __slots__ = ("_beat", "reassembler", "taken")

    def __init__(self) -> None:
        self._beat: Beat | None = None
        self.reassembler = Reassembler()
        self.taken: set[bytes] = set()  # ids of messages that were judged

    def follow(self, beat: Beat) -> None:
        """It is this beat that lists from now on."""
        if self._beat is None or beat.fragments != self._beat.fragments:
            self.reassembler.clear()
            self.taken.clear()
        self._beat = beat

    def lists(self, fragment_hash: bytes) -> bool:
        return self._beat is not None and self._beat.lists(fragment_hash)

    def expects(self, epoch: int) -> bool:
        """Only the beat's epoch is taken, and in lead time the next."""
        beat = self._beat
        return beat is not None and (epoch == beat.epoch or (beat.ms_to_next > 0 and epoch == beat.epoch + 1))

    def names(self, announced: Announcement) -> bool:
        """Whether all that it commits to is of lanes that the beat names, in the announced epoch."""
        assert self._beat is not None
        ahead = announced.epoch % 16 - self._beat.epoch % 16
        return announced.commitments.keys() <= {kid + ahead for kid in self._beat.next_ctr}
