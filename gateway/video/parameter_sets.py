"""Parameter sets: without them a key picture cannot be decoded, and not every encoder repeats them.

What lives here: the newest of each type, and their place in a key picture. What must not: a look into them.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.video.nal import KINDS, Codec, kind

# Of all types together. Each key picture repeats them, so without a limit a few bytes of a hostile stream become megabytes.
SETS_MAX, SIZE_MAX = 32, 4096  # units, bytes


class ParameterSets:
    """Of one stream. All sets of a type are replaced by those of the next picture that brings any of that type.

    Sets beyond `SETS_MAX` or `SIZE_MAX` stay in their own picture and are not remembered.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec: Codec = codec
        self._newest: dict[int, list[bytes]] = {}

    @property
    def complete(self) -> bool:
        """A decoder has what it needs to begin."""
        return all(which in self._newest for which in KINDS[self.codec].parameters)

    def newest(self) -> list[bytes]:
        """In the order in which a decoder needs them."""
        return [nal for which in KINDS[self.codec].parameters for nal in self._newest.get(which, ())]

    def learn(self, nals: Iterable[bytes]) -> set[int]:
        """Which types are among these units."""
        brought: dict[int, list[bytes]] = {}
        for nal in nals:
            if (which := kind(self.codec, nal)) in KINDS[self.codec].parameters:
                brought.setdefault(which, []).append(nal)
        newest = self._newest | brought
        sizes = [len(nal) for sets in newest.values() for nal in sets]
        if len(sizes) <= SETS_MAX and sum(sizes) <= SIZE_MAX:
            self._newest = newest
        return set(brought)

    def completed(self, nals: list[bytes], *, begins: bool = False) -> list[bytes]:
        """A key picture gets the sets that it lacks, after its access unit delimiter, which is always first.

        `begins`: a decoder begins at this picture, whatever it is.
        """
        kinds = KINDS[self.codec]
        brought = self.learn(nals)
        found = [kind(self.codec, nal) for nal in nals]
        if kinds.keys.isdisjoint(found) and not begins:
            return nals
        lacking = [nal for which in kinds.parameters if which not in brought for nal in self._newest.get(which, ())]
        at = int(found[0] == kinds.delimiter)
        return [*nals[:at], *lacking, *nals[at:]]
