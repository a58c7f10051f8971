"""What every endpoint has: an address, a state, counters, and reopening for ever with a pause that grows.

What lives here: the interface that the roles use. What must not: sockets and ports, which are the subclasses' own.
"""

from __future__ import annotations

import dataclasses
import enum
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import ClassVar

from gateway.batch import Batch
from gateway.endpoints.address import Address
from gateway.endpoints.plain_users import LOOK_EVERY_S, PlainUsers
from gateway.endpoints.reason import reason

READ, WRITE = 0x001, 0x004  # POLLIN and POLLOUT of poll(2); the select module of Windows does not name them
BUFFER = 4 << 20  # bytes asked for each way: some bursts of key frames; Linux gives at most net.core.rmem_max
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 2.0  # before trying again; doubled each time


class State(enum.StrEnum):
    """What a person should make of an endpoint."""

    CONNECTED = "connected"  # traffic can pass
    IDLE = "idle"  # it listens, and nobody has come (or all have gone)
    RECONNECTING = "reconnecting"  # it is not there; `last_error` says why
    DOWN = "down"  # closed by us


@dataclasses.dataclass(slots=True)
class Counters:
    """Since the start of the process. A datagram of a stream is a frame going out, and whatever one read gave coming in.

    `dropped_tx`    could not be sent: the endpoint was not there, or its buffers were full
    `late_drop`     waited more than a second in our own queue
    `resync_bytes`  of a serial radio, in no whole datagram
    `kept_out`      came from, or was for, a program of a user who may not be here; of a TCP server, connections
    `oversize`      came in larger than a slot of a batch where none may be, up to `largest_oversize` bytes
    `reopened`      how often it was opened again
    """

    rx_datagrams: int = 0
    tx_datagrams: int = 0
    rx_bytes: int = 0
    tx_bytes: int = 0
    dropped_tx: int = 0
    late_drop: int = 0
    resync_bytes: int = 0
    kept_out: int = 0
    oversize: int = 0
    largest_oversize: int = 0
    reopened: int = 0


class Endpoint(ABC):
    """One place where bytes enter and leave. `now` is always the caller's monotonic clock, in seconds.

    `stream`      True: bytes without boundaries (serial, TCP); False: datagrams
    `connection`  number of the connection that the last `receive_into` read from. No two connections of an endpoint share a
                  number, so bytes continue a frame only if they have the same one.
    `waiting`     something is at hand for `receive_into` that no poll will tell of
    `octets_a_second`  what the line carries; infinite where it has no rate of its own, or none that we know
    `users`       whose programs on this computer may be at the other end; None: anybody's
    `look_s`      how old the answer to that may be for what comes in
    `large`       a datagram that is larger than a slot fills several, one after the other; else it is `oversize`
    `buffer`      bytes of datagrams that the system is asked to keep, each way; a stream has its own way with them
    `last_error`  what went wrong last, in plain words; kept after it has healed

    No method blocks, and none raises for a device that is lost.
    """

    stream: ClassVar[bool]
    octets_a_second = float("inf")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.state = State.RECONNECTING
        self.counters = Counters()
        self.connection = 0
        self.users: PlainUsers | None = None
        self.look_s = LOOK_EVERY_S
        self.large = False
        self.buffer = BUFFER
        self.last_error = ""
        self._pause = 0.0
        self._retry_at = self._opened_at = float("-inf")
        self._openings = 0

    @abstractmethod
    def receive_into(self, batch: Batch, now: float) -> int:
        """Replace what `batch` holds by what has come, of one connection; how many slots that took.

        Also moves what waits to be written, so call it whenever the poller has woken.
        """

    @abstractmethod
    def send(self, batch: Batch, now: float) -> None:
        """Send all of `batch`, to everyone there is. What cannot go is dropped whole and counted."""

    @property
    def waiting(self) -> bool:
        return False

    def senders(self, slots: Sequence[int]) -> list[Hashable]:  # noqa: ARG002 - most hear one sender only
        """Who sent what stands in these slots of the last `receive_into`, each once."""
        return [self.address]

    def authenticated(self, slots: Sequence[int], now: float) -> None:  # noqa: B027 - most send to one peer, whom they were told
        """What stands in these slots of the last `receive_into` was authentic and new: whoever sent it may be answered."""

    def renew(self, slots: Sequence[int], now: float) -> None:  # noqa: B027 - as above
        """Copies of what was authentic stand in these slots: who was vouched for stays so, and nobody else becomes it."""

    def hang_up(self) -> None:  # noqa: B027 - most have one peer
        """On the connection that the last `receive_into` read from, where there may be several."""

    def propose(self, slots: Sequence[int], now: float) -> None:  # noqa: B027 - as above
        """What may be a copy stands in these slots: who was vouched for stays so, and others may be tried."""

    def prove(self, address: Hashable, now: float) -> None:  # noqa: B027 - as above
        """What was sent to this address alone has come back: it leads there."""

    def addresses(self) -> list[Hashable]:
        """Each that `send_to` can send to: those of `send`, and those that may be tried. Names of the endpoint's own."""
        return [self.address]

    def send_to(self, batch: Batch, address: Hashable, now: float) -> None:  # noqa: ARG002 - most have one peer
        """Send all of `batch` to one of `addresses`."""
        self.send(batch, now)

    def clients(self) -> list[str]:
        """Who listens to what `send` sends, of those that came by themselves; for people to read."""
        return []

    def backlog_s(self, now: float) -> float:  # noqa: ARG002 - most have none
        """How many seconds the line needs for what waits to go out, with us and beyond; 0 if it has no rate."""
        return 0.0

    @abstractmethod
    def interests(self) -> list[tuple[int, int]]:
        """(file descriptor, mask of READ and WRITE) of everything worth waking up for."""

    def tick(self, now: float) -> None:
        """Open what is not open, when it is time to; call it about ten times a second."""
        if self.state is State.DOWN:
            return
        if self.state is not State.RECONNECTING:
            self._upkeep(now)
        elif now >= self._retry_at:
            try:
                self._open(now)
            except OSError as error:
                self._lost(error, now)

    def close(self) -> None:
        """Let go of the device for good."""
        self._release()
        self.state = State.DOWN

    # --- for the subclasses ---

    @abstractmethod
    def _open(self, now: float) -> None:
        """Begin or go on to open; call `_opened` when it is done, or raise OSError. Called again until then."""

    @abstractmethod
    def _release(self) -> None:
        """Close whatever is open. Must not raise, and may be called at any time."""

    def _upkeep(self, now: float) -> None:  # noqa: B027 - most have none
        """What must be done from time to time while it is open."""

    def _opened(self, state: State, now: float) -> None:
        self.state, self._opened_at = state, now
        self.counters.reopened = self._openings
        self._openings += 1

    def _lost(self, error: OSError, now: float) -> None:
        """Let go, and try again later: the later, the more often it was lost soon after it was opened."""
        lasted = self.state is not State.RECONNECTING and now - self._opened_at > PAUSE_MAX_S
        self._pause = PAUSE_MIN_S if lasted else min(max(2 * self._pause, PAUSE_MIN_S), PAUSE_MAX_S)
        self._retry_at = now + self._pause
        self.last_error = reason(error, self.address)
        self.state = State.RECONNECTING
        self._release()
