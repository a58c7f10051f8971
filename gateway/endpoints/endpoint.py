"""The common part of every endpoint: an address, a state, counters, and reopening without end, with a growing pause.

What lives here: the interface that the roles use. What must not: sockets and ports, which belong to the subclasses.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import ClassVar

from gateway.batch import ROOM, Batch
from gateway.endpoint_state import State
from gateway.endpoints.address import Address
from gateway.endpoints.plain_users import LOOK_EVERY_S, PlainUsers
from gateway.endpoints.reason import reason

READ, WRITE = 0x001, 0x004  # POLLIN and POLLOUT of poll(2); the select module of Windows does not name them
BUFFER = 4 << 20  # bytes requested for each direction: some bursts of key frames; Linux gives at most net.core.rmem_max
TICK_S = 0.25  # between two ticks
TICK_SOON_S = 0.1  # the same while something is awaited that no poll reports; less than AGED_S
PAUSE_MIN_S, PAUSE_MAX_S = 0.1, 2.0  # seconds before the next attempt; doubled each time


@dataclasses.dataclass(slots=True)
class Counters:
    """Since the start of the process. For a stream, a datagram sent is one frame, and a datagram received is one read.

    `dropped_tx`    could not be sent: the endpoint was not open, or its buffers were full
    `late_drop`     waited more than a second in our own queue
    `resync_bytes`  of a serial radio, in no whole datagram
    `kept_out`      from or for a program of a user that is not allowed; of a TCP server, connections
    `oversize`      received, but larger than a slot of a batch where this is not allowed; up to `largest_oversize` bytes
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

    def as_dict(self) -> dict[str, int]:
        """By name. It is read twice a second, and dataclasses.asdict copies each value."""
        return {name: getattr(self, name) for name in self.__slots__}


class Endpoint(ABC):
    """One place where bytes enter and leave. `now` is always the caller's monotonic clock, in seconds.

    `sender_waits`  True: the sender waits while the endpoint is not read (TCP); False: surplus data is lost
    `portion`     the largest number of bytes of a stream that one slot receives
    `stream`      True: bytes without boundaries (serial, TCP); False: datagrams
    `connection`  number of the connection that the last `receive_into` read from. No two connections of an endpoint share a
                  number, so bytes continue a frame only if they have the same one.
    `waiting`     there is data for `receive_into` that no poll reports
    `bytes_per_s`  the rate of the line; infinite if it has no rate of its own, or none that we know
    `users`       the users whose programs on this computer may be peers; None: all
    `look_s`      how old the answer to that may be for incoming data
    `large`       a datagram that is larger than a slot fills several slots; otherwise it is `oversize`
    `buffer`      bytes that the system is asked to keep: of datagrams in each direction, of TCP those that came
    `last_error`  the last error, in plain words; kept after it has ended

    No method blocks, and none raises for a device that is lost.
    """

    stream: ClassVar[bool]
    sender_waits: ClassVar = False
    bytes_per_s = float("inf")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.state = State.RECONNECTING
        self.counters = Counters()
        self.connection = 0
        self.users: PlainUsers | None = None
        self.look_s = LOOK_EVERY_S
        self.large = False
        self.buffer = BUFFER
        self.portion = ROOM
        self.waiting = False
        self.last_error = ""
        self._pause = 0.0
        self._retry_at = self._opened_at = float("-inf")
        self._openings = 0

    @abstractmethod
    def receive_into(self, batch: Batch, now: float) -> int:
        """Replace the content of `batch` by received data of one connection; how many slots that took.

        It also writes waiting data, so call it whenever the poller has woken.
        """

    @abstractmethod
    def send(self, batch: Batch, now: float) -> int:
        """Send all of `batch`, to all peers; how many were sent to at least one, or wait.

        A datagram that cannot be sent is dropped whole and counted.
        """

    def senders(self, slots: Sequence[int]) -> list[Hashable]:  # noqa: ARG002 - most hear one sender only
        """The senders of the datagrams in these slots of the last `receive_into`, each once."""
        return [self.address]

    def authenticated(self, senders: Sequence[Hashable], now: float) -> None:  # noqa: B027 - most send to one peer, whom they were told
        """These senders sent what was authentic and new, so they may be answered."""

    def renew(self, senders: Sequence[Hashable], now: float) -> None:  # noqa: B027 - as above
        """These senders sent copies: that keeps an authenticated sender, and adds no new one."""

    def hang_up(self) -> None:  # noqa: B027 - most have one peer
        """On the connection that the last `receive_into` read from, where there may be several."""

    def propose(self, senders: Sequence[Hashable], now: float) -> None:  # noqa: B027 - as above
        """These senders sent what may be copies: that keeps an authenticated sender, and other senders may be tried."""

    def prove(self, address: Hashable, now: float) -> None:  # noqa: B027 - as above
        """A challenge that was sent only to this address has come back: the address is proved."""

    def addresses(self) -> list[Hashable]:
        """Each address that `send_to` can use: those of `send`, and those to try. Its form is the endpoint's own."""
        return [self.address]

    def send_to(self, batch: Batch, address: Hashable, now: float) -> None:  # noqa: ARG002 - most have one peer
        """Send all of `batch` to one of `addresses`."""
        self.send(batch, now)

    def clients(self) -> list[str]:
        """The receivers of `send` that came by themselves; for people to read."""
        return []

    def backlog_s(self, now: float) -> float:  # noqa: ARG002 - most have none
        """How many seconds the line needs for all waiting data, in our queue and in the driver; 0 if it has no rate."""
        return 0.0

    @abstractmethod
    def interests(self) -> list[tuple[int, int]]:
        """(file descriptor, mask of READ and WRITE) of everything that should wake the loop. The caller keeps the list."""

    def tick_within_s(self) -> float:
        """When to call `tick` and `receive_into` next, also if nothing has woken the loop."""
        return TICK_SOON_S if self.state is State.RECONNECTING else TICK_S

    def tick(self, now: float) -> None:
        """Open it if it is closed and the pause is over."""
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
        """Close the device for good."""
        self._release()
        self.state = State.DOWN

    # --- for the subclasses ---

    @abstractmethod
    def _open(self, now: float) -> None:
        """Begin or continue to open; call `_opened` when it is done, or raise OSError. Called again until then."""

    @abstractmethod
    def _release(self) -> None:
        """Close everything that is open. Must not raise, and may be called at any time."""

    def _upkeep(self, now: float) -> None:  # noqa: B027 - most have none
        """The regular work while it is open."""

    def _opened(self, state: State, now: float) -> None:
        self.state, self._opened_at = state, now
        self.counters.reopened = self._openings
        self._openings += 1

    def _lost(self, error: OSError, now: float) -> None:
        """Close it, and try again later: the pause grows if it was lost soon after it was opened."""
        lasted = self.state is not State.RECONNECTING and now - self._opened_at > PAUSE_MAX_S
        self._pause = PAUSE_MIN_S if lasted else min(max(2 * self._pause, PAUSE_MIN_S), PAUSE_MAX_S)
        self._retry_at = now + self._pause
        self.last_error = reason(error, self.address)
        self.state = State.RECONNECTING
        self._release()
