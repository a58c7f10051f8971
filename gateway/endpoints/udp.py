"""UDP: `UdpIn` listens and answers its recent senders; `UdpOut` sends to one address and reads its answers.

What lives here: who gets which datagram, and the treatment of errors. mmsg.py moves the datagrams.
"""

from __future__ import annotations

import os
import socket
import sys
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gateway.batch import FIRST, ROOM, Batch
from gateway.endpoint_state import State
from gateway.endpoints.address import Address
from gateway.endpoints.age import Age
from gateway.endpoints.direct import Direct
from gateway.endpoints.endpoint import READ, TICK_SOON_S, Endpoint
from gateway.endpoints.lookup import Lookup, SockAddr, Target, in_words, is_broadcast, listen_on
from gateway.endpoints.mmsg import FULL, ONLY_THIS_ONE, Mover, Peer, Sent, new_mover
from gateway.endpoints.pieces import new_large_mover
from gateway.endpoints.plain_users import LOOK_ABSENT_EVERY_S, LOOK_EVERY_S, Peers
from gateway.endpoints.posing import keep_out_posers
from gateway.endpoints.socket_users import host_of, is_here

# ip(7); Python names neither. A router may divide a datagram that is too large for its next network. Otherwise one that
# sends no report, or whose report is filtered, drops it; and Linux would forbid this for single datagrams, not for batches.
IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0

CLIENT_IDLE_S = 60.0  # as in mavp2p: a sender that was silent for this time is not answered any more
CLIENTS_MAX = 16
STEADY_FOR_S = 5.0  # a client that was heard more than once keeps its place for this time


class _Udp(Endpoint, Direct):
    """One socket, and the mover of its datagrams."""

    stream = False

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._lookup = Lookup(address.host, address.port, socket.SOCK_DGRAM)
        self._target: Target | None = None  # what the name of its host led to
        self._heard_at = float("-inf")
        self._socket: socket.socket | None = None
        self._interests: list[tuple[int, int]] = []
        self._mover: Mover | None = None
        self._age, self._stamped, self._read_at = Age(), False, None
        self._peers: Peers | None = None  # None: every sender is accepted
        self._slots = np.arange(0)  # the mover's slots of the batch, before some were left out

    def receive_into(self, batch: Batch, now: float) -> int:
        batch.clear()
        if self._mover is None:
            return 0
        began, self._read_at = self._read_at, None
        if (wanted := self._age.begin(began)) is not self._stamped:
            self._stamped = self._mover.ask(wanted)
        try:
            count = self._mover.receive(batch)
        except OSError as error:
            self._lost(error, now)
            return 0
        self.waiting = self._mover.waiting
        if not count:
            self._age.empty()
            return 0
        stamps = self._mover.stamps() if self._stamped else None
        batch.waited(*self._age.waited(stamps, emptied=self._mover.emptied))
        self._slots = FIRST[batch.count]
        self._regard_senders(self._mover, batch, now)
        if (longest := batch.longest()) > ROOM:
            self._leave_out_oversize(batch, longest)
        if batch.count:
            self._heard_at = now
        counters = self.counters
        counters.rx_datagrams += batch.count
        counters.rx_bytes += batch.total()
        return batch.count

    def senders(self, slots: Sequence[int]) -> list[Peer]:
        if self._mover is None:
            return []
        only = self._mover.only
        return self._mover.senders(self._slots[np.asarray(slots, np.int64)]) if only is None else [only] * bool(slots)

    def interests(self) -> list[tuple[int, int]]:
        return self._interests

    def tick_within_s(self) -> float:
        stamps = self._mover is None or (self._mover.can_stamp and self._age.stamps_agree)
        return super().tick_within_s() if stamps else TICK_SOON_S

    @abstractmethod
    def _regard_senders(self, mover: Mover, batch: Batch, now: float, /) -> None:
        """Update the clients by the senders of the received `batch`."""

    def _admitted(self, mover: Mover, batch: Batch, now: float) -> Sequence[Peer]:
        """The allowed senders of `batch`; the datagrams of others are left out, and counted."""
        senders = mover.senders(self._slots) if mover.only is None else [mover.only]
        if self._peers is None:
            return senders
        admitted = self._peers.admitted(senders, now)
        if len(admitted) < len(senders):
            mine = np.zeros(batch.count, np.bool_)
            for peer in admitted:
                mine |= mover.sent_by(peer)
            self._keep_out(batch, mine)
        return admitted

    def _keep_out(self, batch: Batch, others: npt.NDArray[np.bool_]) -> None:
        """Leave out all but `others`."""
        kept = np.flatnonzero(others)
        self.counters.kept_out += batch.count - kept.size
        self._keep(batch, kept)

    def _leave_out_oversize(self, batch: Batch, longest: int) -> None:
        fits = np.flatnonzero(batch.lengths[: batch.count] <= ROOM)
        self.counters.oversize += batch.count - fits.size
        self.counters.largest_oversize = max(self.counters.largest_oversize, longest)
        self._keep(batch, fits)

    def _keep(self, batch: Batch, slots: npt.NDArray[np.intp]) -> None:
        self._slots = self._slots[slots]
        batch.keep(slots)

    def _count(self, batch: Batch, sent: Sent) -> int:
        counters = self.counters
        counters.tx_datagrams += sent.datagrams
        counters.tx_bytes += sent.size
        counters.dropped_tx += batch.count - sent.datagrams
        return sent.datagrams

    def _new_socket(self, family: socket.AddressFamily) -> socket.socket:
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._interests = [(self._socket.fileno(), READ)]
        self._age, self._stamped, self._read_at = Age(), False, None
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, self.buffer)
        if family == socket.AF_INET and sys.platform == "linux":
            self._socket.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        if self.users is not None and family == socket.AF_INET6:
            keep_out_posers(self._socket)
        return self._socket

    def _move(self, made: socket.socket) -> Mover:
        return new_large_mover(made) if self.large else new_mover(made)

    def _open(self, now: float) -> None:
        if target := self._lookup.answer():
            self._open_at(target, now)

    def _open_at(self, target: Target, now: float) -> None:
        """Open at this address."""
        self._target, self._heard_at = target, now
        self._reach(*target, now)

    @abstractmethod
    def _reach(self, family: socket.AddressFamily, where: SockAddr, now: float, /) -> None:
        """Make the socket for this address, and call `_opened`."""

    def _upkeep(self, now: float) -> None:
        """Follow the name if it leads somewhere else: dynamic DNS, or a station that went to another network."""
        if self._target and (target := self._lookup.moved(self._target, self._heard_at, now)):
            self._release()
            try:
                self._open_at(target, now)
            except OSError as error:
                self._lost(error, now)

    def _opened(self, state: State, now: float) -> None:
        super()._opened(state, now)
        self.connection += 1

    def _release(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = self._mover = None
        self._interests, self.waiting = [], False


class UdpIn(_Udp):
    """Listens on one address. Its clients are the senders of the last minute; `send` sends to all of them."""

    _idle_s: ClassVar = CLIENT_IDLE_S
    _most: ClassVar = CLIENTS_MAX

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._clients: dict[Peer, float] = {}  # -> when it was last accepted; the newest client last
        self._steady: set[Peer] = set()  # the clients that were accepted more than once
        self._scope = 0  # number of the interface, if the address has one (fe80::1%wlan0)

    def clients(self) -> list[str]:
        return [] if self._mover is None else [in_words(self._mover.address(peer)) for peer in self._clients]

    def send(self, batch: Batch, now: float) -> int:
        self._upkeep(now)
        if self._mover is None:
            self.counters.dropped_tx += batch.count
            return 0
        return max((self._count(batch, self._mover.send(batch, peer)) for peer in self._clients), default=0)

    def _regard_senders(self, mover: Mover, batch: Batch, now: float, /) -> None:
        self._welcome(self._admitted(mover, batch, now), now)

    def accepted_until(self, name: bytes) -> float | None:
        if name not in self._steady:
            return None
        return float("inf") if self._peers is None else self._peers.known_until(name)

    def _receivers(self) -> list[Peer] | None:
        return [*self._clients]

    def _heard(self, name: Peer, now: float) -> None:
        self._welcome([name], now)

    def _welcome(self, peers: Iterable[Peer], now: float) -> None:
        for peer in peers:
            if peer in self._clients:
                self._steady.add(peer)
            elif len(self._clients) >= self._most:
                if (gone := self._gives_way(now)) is None:
                    self.last_error = f"{self._most} clients already: others are read, but not answered"
                    continue
                self._part_with(gone)
            self._clients[peer] = now
        self.state = State.CONNECTED if self._clients else State.IDLE

    def _gives_way(self, now: float) -> Peer | None:
        """The client that a newcomer replaces: the one silent longest, such as the old port of a restarted program.

        Clients that were heard more than once, and recently, come last, and of these the newest one comes first: newcomers
        must not displace the pilot, however often they are heard.
        """
        steady = [peer for peer in self._clients if peer in self._steady and now - self._clients[peer] < STEADY_FOR_S]
        others = [peer for peer in self._clients if peer not in steady]
        return min(others, key=self._clients.__getitem__) if others else steady[-1]

    def _part_with(self, peer: Peer) -> None:
        del self._clients[peer]
        self._steady.discard(peer)

    def _upkeep(self, now: float) -> None:
        super()._upkeep(now)
        if self._mover is None:
            return
        if self._scope:
            try:
                socket.if_indextoname(self._scope)
            except OSError as error:  # replaced: this socket would still listen on the former interface
                self._lost(error, now)
                return
        gone = {peer for peer, heard in self._clients.items() if self._has_left(peer, heard, now)}
        if self._peers is not None:
            gone.update(self._peers.review(self._clients, now))
        for peer in gone:
            self._part_with(peer)
        self.state = State.CONNECTED if self._clients else State.IDLE

    def _has_left(self, _peer: Peer, heard: float, now: float) -> bool:
        return now - heard > self._idle_s

    def _reach(self, family: socket.AddressFamily, where: SockAddr, now: float, /) -> None:
        made = self._new_socket(family)
        listen_on(made, where)
        self._scope = where[3] if len(where) > 2 else 0  # noqa: PLR2004 - host and port: IPv4
        self._mover = self._move(made)
        if self.users is not None:
            loopback = host_of(where).is_loopback
            self._peers = Peers(self.users, str(self.address), self._mover.address, all_here=loopback, look_s=self.look_s)
        self._opened(State.IDLE, now)

    def _release(self) -> None:
        super()._release()
        self._clients.clear()
        self._steady.clear()


class UdpOut(_Udp):
    """Sends to one address, and reads only from that address.

    The socket stays unconnected: the system then chooses the route again for each datagram, so the endpoint survives
    a change of network, and a port where no program listens causes no error per datagram.
    """

    _peer: Peer = None
    _many = False  # a broadcast or multicast address: each receiver answers from its own address
    _listener: SockAddr | None = None  # its program must be looked up: the address is one of this computer
    _let_in = True
    _looked_at = float("-inf")

    def send(self, batch: Batch, now: float) -> int:
        if self._mover is None:
            self.counters.dropped_tx += batch.count
            return 0
        if not self._let_in and now >= self._looked_at + LOOK_ABSENT_EVERY_S:
            self._look(now, again=False)  # a program that begins to listen does not wait for the next tick
        if not self._let_in:
            self.counters.kept_out += batch.count
            return 0
        sent = self._mover.send(batch, self._peer)
        self._count(batch, sent)
        if sent.error:
            self._failed(sent.error, now)
        return sent.datagrams

    def _failed(self, error: int, now: float) -> None:
        if error not in FULL | ONLY_THIS_ONE:
            self._lost(OSError(error, os.strerror(error)), now)

    def accepted_until(self, name: bytes) -> float | None:
        plain = name == self._peer and self._listener is None and not self._many
        return float("inf") if plain else None

    def _receivers(self) -> list[Peer] | None:
        return [self._peer] if self._let_in else None

    def way(self) -> object:
        return self._mover if self._let_in else None

    def _regard_senders(self, mover: Mover, batch: Batch, now: float, /) -> None:
        if self._many:
            self._admitted(mover, batch, now)
            return
        if mover.only != self._peer:
            self._keep(batch, np.flatnonzero(mover.sent_by(self._peer)))
        if self._listener is not None and now >= self._looked_at + self.look_s:
            self._look(now)
        if not self._let_in or self._may_have_left(now):
            self._keep_out(batch, np.zeros(batch.count, np.bool_))

    def _upkeep(self, now: float) -> None:
        super()._upkeep(now)
        if self._peers is not None:
            self._peers.review(self._peers.programs_here(), now)
        if now >= self._looked_at + LOOK_EVERY_S:
            self._look(now, again=self._let_in)

    def _may_have_left(self, now: float) -> bool:
        """Whether another program may have sent a command from there, and has closed its socket since."""
        if self._listener is None or self.users is None or self.look_s >= LOOK_EVERY_S:
            return False
        if not self.users.was_left(self._listener[1], now):
            return False
        self.users.keep_out(None, in_words(self._listener), str(self.address), now)
        return True

    def _look(self, now: float, *, again: bool = True) -> None:
        """Look up whose program listens. While none does, nothing is sent: the next one may be the wrong one.

        `again`: if there seems to be none, look again, for the system skips one sometimes.
        """
        if self._listener is None or self.users is None:
            return
        self._looked_at = now
        port = self._listener[1]
        users = self.users.ports(now, {port} if again else ()).get(port, frozenset())
        self._let_in = self.users.may_have(users, in_words(self._listener), str(self.address), now)
        self.state = State.CONNECTED if self._let_in else State.IDLE

    def _reach(self, family: socket.AddressFamily, where: SockAddr, now: float, /) -> None:
        broadcast = is_broadcast(family, where)
        self._many = broadcast or host_of(where).is_multicast
        made = self._new_socket(family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, broadcast)
        self._mover = self._move(made)
        self._peer = self._mover.peer(where)
        self._peers, self._listener, self._let_in = None, None, True
        self._opened(State.CONNECTED, now)
        if self.users is not None and self._many:
            self._peers = Peers(self.users, str(self.address), self._mover.address, all_here=False, look_s=self.look_s)
        elif self.users is not None:
            self._listener = where if is_here(where) else None
            self._look(now)
