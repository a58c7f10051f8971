"""Cost breakdown: the parts of a datagram's CPU time, and the minimum if one call from Python seals each.

Zegel/1 seals each datagram by itself, so each costs a call of the AEAD, and each must be received and sent. Both are
measured: the system's share by its accounting of the relay's processes under load, the call by itself.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench import aead, load
from bench.clock import cpu_per_call
from bench.relay import Relay, Spent
from bench.result import Cell, Table
from bench.zegel_pair import PYTHON
from gateway.batch import TAG_SIZE

ROUNDS, CALLS_S = 5, 0.05
COLUMNS = ("a datagram costs", "seals (us)", "of it system (us)", "opens (us)", "of it system (us) ")
NOTES = (
    "system: the part of the CPU time that was spent in system calls; the rest is the program's own, the AEAD in it",
    "one AEAD call: alone and repeated, on one buffer in the cache; between datagrams it costs more",
    f"least in Python: only the system calls of {PYTHON}, and one AEAD call",
)


def made_of(relays: Sequence[Relay], spent: Sequence[Sequence[Spent]]) -> Table:
    """`spent`: the rounds of each of `relays`. Microseconds of CPU time for each datagram that came out."""
    rows = [(relay.name, *_costs(mine)) for relay, mine in zip(relays, spent, strict=True)]
    _, _, sealing, _, opening = next(row for row in rows if row[0] == PYTHON)
    seal, open_ = (statistics.median(1e6 * cpu_per_call(call, CALLS_S) for _ in range(ROUNDS)) for call in _calls())
    call: tuple[Cell, ...] = ("one AEAD call from Python", seal, None, open_, None)
    least: tuple[Cell, ...] = ("least in Python", sealing + seal, sealing, opening + open_, opening)
    return Table("Parts of the cost", COLUMNS, (*rows, call, least), NOTES)


def _costs(mine: Sequence[Spent]) -> tuple[float, float, float, float]:
    """Medians, in the order of COLUMNS."""
    seals = [1e6 / one.sealed_per_cpu_s for one in mine]
    opens = [1e6 / one.opened_per_cpu_s for one in mine]
    of_seals = (cost * one.sealing_system for cost, one in zip(seals, mine, strict=True))
    of_opens = (cost * one.opening_system for cost, one in zip(opens, mine, strict=True))
    return statistics.median(seals), statistics.median(of_seals), statistics.median(opens), statistics.median(of_opens)


def _calls() -> tuple[Callable[[], object], Callable[[], object]]:
    """Sealing and opening one video datagram."""
    cipher, plain = AESGCM(aead.KEY), bytearray(load.VIDEO_SIZE)
    sealed, out = cipher.encrypt(aead.NONCE, plain, aead.AAD), bytearray(load.VIDEO_SIZE + TAG_SIZE)
    return (
        lambda: cipher.encrypt_into(aead.NONCE, plain, aead.AAD, out),
        lambda: cipher.decrypt_into(aead.NONCE, sealed, aead.AAD, plain),
    )
