"""Stage: what came by the links waits here, as records, until the writer takes it, which happens a few times a second.

What lives here: memory that C fills too (gateway/native/stage.c): a turn in C needs no Python. What must not: files.
"""

from __future__ import annotations

from gateway.batch import AGED_S, Batch
from gateway.recording.group import Group
from gateway.recording.link import form
from gateway.recording.stage import Stages

GROUP = Group.VIDEO_A  # any: what comes by all links is one sequence, and a record's port says by which it came
MUCH = 16  # messages, which are 1 MiB


class LinkStage:
    """Of one start of a ground. `began`: the time 0 of its records, on gateway.clock."""

    def __init__(self, began: float) -> None:
        self.stages = Stages([GROUP])  # of its memory a camera has 3 MiB
        self.stages.begin(began)
        self.stages.want([GROUP])

    def add(self, number: int, batch: Batch, now: float) -> None:
        """The datagrams of a batch that was just read from this link. They are copied, and count from their arrival."""
        port = form.LINK_PORT + number
        if batch.oldest < AGED_S:
            self.stages.add_batch(GROUP, port, batch, now)
            return
        for slot in range(batch.count):
            self.stages.add(GROUP, port, [batch.view(slot)], now - batch.sure_age(slot))

    @property
    def is_much(self) -> bool:
        """Whether it must be taken now: C leaves the next turn to Python when there is still room for a few (stage.c)."""
        return self.stages.waiting(GROUP) >= MUCH

    def take(self) -> tuple[list[bytes], int]:
        """What waits: records in a row, and how many datagrams found no room."""
        return self.stages.take(GROUP)
