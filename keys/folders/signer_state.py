"""What the folder signer/ of an agency remembers of the orders that it issued, so that no number comes twice.

What lives here: the facts, and how many of them are kept. What must not: which order may be amended, which is agency.py's.
"""

from __future__ import annotations

import msgspec

from keys.folders.state import Count

ISSUED_MAX = 256
OPERATIONS_MAX = 4096  # with the largest possible numbers, this is a third of what `store` reads
Rank = tuple[Count, Count]  # (generation, serial)


class Begun(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An order that amends another one, from its number on until its file is written and recorded."""

    operation: str  # op_id
    rank: Rank
    output: str  # the whole path


class SignerState(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The state file of signer/."""

    serial: Count = 0  # of the newest order; it rises over all operations of the agency
    issued: dict[str, str] = {}  # serial -> order_hash of the last ISSUED_MAX orders; they reveal a copy of signer/
    operations: dict[str, Rank] = {}  # op_id -> its newest order, for the OPERATIONS_MAX operations that had one last
    newest: list[Rank] = []  # the newest of their operations, as stated by the person who restored the folder
    begun: Begun | None = None  # the last command was interrupted: its output may be there

    def note_issued(self, order_hash: bytes) -> None:
        """Record the order of the newest serial; the oldest ones are forgotten."""
        self.issued[str(self.serial)] = order_hash.hex()
        for serial in sorted(map(int, self.issued))[:-ISSUED_MAX]:
            del self.issued[str(serial)]

    def note_newest(self, operation: str, rank: Rank) -> None:
        """Record it as the newest of its operation; if there are too many, the one with the oldest order is forgotten."""
        self.operations[operation] = max(rank, self.operations.get(operation, rank))
        if len(self.operations) > OPERATIONS_MAX:
            newest = sorted(self.operations, key=self.operations.__getitem__)[-OPERATIONS_MAX:]
            self.operations = {operation: self.operations[operation] for operation in newest}
