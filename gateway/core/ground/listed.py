"""Listed: the announcements that a beat of a session lists, and their fragments that came. SPEC.md section 5.5."""

from __future__ import annotations

from gateway.core.fragment import Reassembler
from keys.announcement import Announcement
from keys.beat import Beat


class Listed:
    """The one beat bounds what is held: when a beat has another list, all incomplete announcements are dropped."""

    __slots__ = ("_beat", "reassembler", "taken")

    def __init__(self) -> None:
        self._beat: Beat | None = None
        self.reassembler = Reassembler()
        self.taken: set[bytes] = set()  # ids of messages that were accepted or refused

    def follow(self, beat: Beat) -> None:
        """Use the list of this beat from now on."""
        if self._beat is None or beat.fragments != self._beat.fragments:
            self.reassembler.clear()
            self.taken.clear()
        self._beat = beat

    def lists(self, fragment_hash: bytes) -> bool:
        return self._beat is not None and self._beat.lists(fragment_hash)

    def expects(self, epoch: int) -> bool:
        """Only the epoch of the beat is accepted, and in lead time the next one."""
        beat = self._beat
        return beat is not None and (epoch == beat.epoch or (beat.ms_to_next > 0 and epoch == beat.epoch + 1))

    def names(self, announced: Announcement) -> bool:
        """Whether it commits only to lanes that the beat names, in the announced epoch."""
        assert self._beat is not None
        ahead = announced.epoch % 16 - self._beat.epoch % 16
        return announced.commitments.keys() <= {kid + ahead for kid in self._beat.next_ctr}
