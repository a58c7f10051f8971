"""Instance: under what one start of a ground seals in one session. Five bytes of its own, and the send key of each lane.

SPEC.md section 4.7. An instance counts from 0 once under each epoch's key, and epochs rise; so whatever is lost of it makes
another one. Sans-IO: random bytes are an argument.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, MutableSet

from keys.epoch import Entropy
from keys.keyring import SendKey, instance_after
from keys.lanes import INSTANCE_SIZE, Lane, uplink_kid

FOLLOWED_MAX = 4_096  # sessions of a device, 100 bytes each; an attacker with a copied key can begin any number


class Instance:
    """Of station `index`. `former`: the name that it follows from, if this is not one of the sessions in `followed`.

    Those have had an instance that followed from another one, and another time it would count under the same keys.
    """

    def __init__(
        self,
        session_id: bytes,
        index: int,
        entropy: Entropy,
        former: bytes | None = None,
        followed: MutableSet[bytes] | None = None,
    ) -> None:
        self._session_id, self._index, self._entropy = session_id, index, entropy
        self._former = former
        self._followed = set[bytes]() if followed is None else followed
        self._name: bytes | None = None  # from the first datagram on, and through all epochs: another is a stranger aboard
        self._keys: dict[Lane, tuple[int, SendKey]] = {}  # with the epoch that each lane is sealed under
        self._begun: dict[Lane, int] = {}  # the last epoch under which it began to count

    def key(self, lane: Lane, epoch: int, uplink_keys: Mapping[int, bytes]) -> SendKey:
        """The send key of this epoch, whose uplink key is among those by epoch."""
        used, key = self._keys.get(lane, (None, None))
        if key is None or epoch != used:
            if epoch <= self._begun.get(lane, -1):
                self._name = self._entropy(INSTANCE_SIZE)
            name = self._name = self._begin(uplink_keys) or self._entropy(INSTANCE_SIZE)
            key = SendKey(uplink_keys[epoch], uplink_kid(lane, self._index, self._session_id, epoch, name))
            self._keys[lane], self._begun[lane] = (epoch, key), epoch
        return key

    def _begin(self, uplink_keys: Mapping[int, bytes]) -> bytes | None:
        """Its name, if it has one or if that follows from the former name."""
        if self._name is None and self._former and 0 in uplink_keys and self._may_follow():
            self._followed.add(self._session_id)
            self._name = instance_after(uplink_keys[0], self._former)
        return self._name

    def _may_follow(self) -> bool:
        return self._session_id not in self._followed and len(self._followed) < FOLLOWED_MAX

    def hand_on(self, *, answered: bool) -> bytes | None:
        """From which name that of the next session follows: its own, if the aircraft has answered it.

        Until then the aircraft may know no other than the one from which it follows itself.
        """
        return self._name if answered or self._former is None else self._former

    def keep(self, epochs: Container[int]) -> None:
        """Drop the keys of all other epochs."""
        self._keys = {lane: known for lane, known in self._keys.items() if known[0] in epochs}
