"""TCP: `TcpClient` connects to one address, `TcpServer` takes several clients. Both carry streams (stream.py)."""

from __future__ import annotations

import errno
import os
import socket

from gateway import clock
from gateway.batch import Batch
from gateway.endpoint_state import State
from gateway.endpoints.address import Address
from gateway.endpoints.endpoint import READ, TICK_SOON_S, WRITE, Endpoint
from gateway.endpoints.lookup import Lookup, SockAddr, in_words, listen_on
from gateway.endpoints.plain_users import NOT_HERE
from gateway.endpoints.reason import UserMayNot
from gateway.endpoints.socket_users import User
from gateway.endpoints.stream import Stream, StreamEndpoint

CONNECT_WITHIN_S = 5.0
CLIENTS_MAX = 16
SEND_BUFFER = 64 << 10  # bytes; late data in the system's buffer cannot be dropped, so the buffer is small
BACKLOG = 16

# Without these, a peer that lost its power or its network looks connected for a quarter of an hour.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}


class TcpClient(StreamEndpoint):
    """One connection, made again without end."""

    sender_waits = True

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._lookup = Lookup(address.host, address.port, socket.SOCK_STREAM)
        self._connecting: socket.socket | None = None
        self._meeting = False  # it is connected, and the user at the other end is not known yet
        self._give_up_at = self._begun_at = 0.0

    def receive_into(self, batch: Batch, now: float) -> int:
        if self._connecting is not None:
            self.tick(now)
        return super().receive_into(batch, now)

    def interests(self) -> list[tuple[int, int]]:
        if self._connecting is None:
            return super().interests()
        return [] if self._meeting else [(self._connecting.fileno(), WRITE)]

    def _open(self, now: float) -> None:
        if self._connecting is None:
            self._begin(now)
        if self._connecting is not None:
            self._finish(self._connecting, now)

    def _begin(self, now: float) -> None:
        if (target := self._lookup.answer()) is None:
            return
        self._connecting = socket.socket(target[0], socket.SOCK_STREAM)
        _prepare(self._connecting)
        self._connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)
        self._give_up_at, self._begun_at = now + CONNECT_WITHIN_S, clock.now()
        error = self._connecting.connect_ex(target[1])
        if error not in {0, errno.EINPROGRESS, errno.EWOULDBLOCK}:
            raise OSError(error, os.strerror(error))

    def _finish(self, made: socket.socket, now: float) -> None:
        """Check the connection attempt."""
        error = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error or now >= self._give_up_at:
            error = error or errno.ETIMEDOUT
            raise OSError(error, os.strerror(error))
        try:
            other = made.getpeername()
        except OSError:
            return  # not yet
        if other == made.getsockname():  # if no program listens, a socket can by chance connect to itself
            raise OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        if self._may_be_there(made, other, now):
            self._connecting, self._meeting = None, False
            self._connected(made, now, self._begun_at)

    def _may_be_there(self, made: socket.socket, other: SockAddr, now: float) -> bool:
        """Whether the program that accepted the connection is allowed; also False until it has accepted it."""
        if self.users is None:
            return True
        self._meeting = True
        users = self.users.connected([(other, made.getsockname())])
        if users is None or users == [None]:
            return False
        if not self.users.may_have(users, in_words(other), str(self.address), now):
            self.counters.kept_out += 1
            raise UserMayNot
        return True

    def _release(self) -> None:
        super()._release()
        if self._connecting is not None:
            self._connecting.close()
        self._connecting = None
        self._meeting = False


class TcpServer(Endpoint):
    """Listens; `send` sends to every client, `receive_into` reads from one of them at a time, in turn.

    A client that does not read loses whole frames, and delays no other client.
    """

    stream = True
    sender_waits = True

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._lookup = Lookup(address.host, address.port, socket.SOCK_STREAM)
        self._listener: socket.socket | None = None
        # Clients not yet known to be allowed, and the time before which they sent nothing.
        self._newcomers: list[tuple[socket.socket, SockAddr, float]] = []
        self._clients: list[Stream] = []  # the next one to be read is first
        self._accepted = 0
        self._looked_at = clock.now()  # for connections; the data of a new one came later

    def receive_into(self, batch: Batch, now: float) -> int:
        batch.clear()
        if self._listener is None:
            return 0
        try:
            self._accept(self._listener)
            self._let_in(now)
        except OSError as error:  # for example, no file descriptor is left: a listener that stays ready would spin the loop
            self._lost(error, now)
        for client in tuple(self._clients):
            if self._read(client, batch, now):
                self._clients.remove(client)
                self._clients.append(client)
                self.connection = client.number
                return batch.count
        return 0

    def send(self, batch: Batch, now: float) -> int:
        if self._listener is None:
            self.counters.dropped_tx += batch.count
        frames = batch.datagrams() if self._clients else []
        taken = 0
        for client in tuple(self._clients):
            try:
                taken = max(taken, client.write(frames, now))
            except OSError:
                self._part_with(client)
        return taken

    def tick_within_s(self) -> float:
        return TICK_SOON_S  # no timestamp tells the age of its data

    def interests(self) -> list[tuple[int, int]]:
        listening = [] if self._listener is None else [(self._listener.fileno(), READ)]
        return listening + [client.interests() for client in self._clients]

    def clients(self) -> list[str]:
        return [client.name for client in self._clients]

    def hang_up(self) -> None:
        for client in [client for client in self._clients if client.number == self.connection]:
            self._part_with(client)

    def _read(self, client: Stream, batch: Batch, now: float) -> int:
        try:
            client.flush(now)
            return client.read(batch, self.portion)
        except OSError:
            self._part_with(client)
            return 0

    def _accept(self, listener: socket.socket) -> None:
        began = clock.now()
        while True:
            try:
                made, where = listener.accept()
            except BlockingIOError:
                self._looked_at = began
                return
            except ConnectionAbortedError:  # it left before the look-up
                continue
            if len(self._clients) + len(self._newcomers) == CLIENTS_MAX:
                self.last_error = f"{CLIENTS_MAX} clients already: another one was refused"
                made.close()
                continue
            _prepare(made)
            self._newcomers.append((made, where, self._looked_at))

    def _let_in(self, now: float) -> None:
        """Make clients of the newcomers that are allowed; no data is accepted or sent before that."""
        users = self._newcomers_users()
        for (made, where, since), user in zip(tuple(self._newcomers), users, strict=False):
            self._newcomers.pop(0)
            if self.users and not self.users.may_have((user,), in_words(where), str(self.address), now):
                self.counters.kept_out += 1
                made.close()
                continue
            self._accepted += 1
            self._clients.append(Stream(made, self._accepted, self.counters, in_words(where), since))
            self.state = State.CONNECTED

    def _newcomers_users(self) -> list[User]:
        """The user of each; none if they have to wait."""
        if self.users is None:
            return [NOT_HERE] * len(self._newcomers)
        ends = [(where, made.getsockname()) for made, where, _ in self._newcomers]
        return (self.users.connected(ends) if ends else None) or []

    def _upkeep(self, now: float) -> None:
        self._let_in(now)

    def _part_with(self, client: Stream) -> None:
        client.close()
        self._clients.remove(client)
        self.state = State.CONNECTED if self._clients else State.IDLE

    def _open(self, now: float) -> None:
        if (target := self._lookup.answer()) is None:
            return
        self._listener = socket.socket(target[0], socket.SOCK_STREAM)
        self._listener.setblocking(False)
        if os.name == "posix":  # on Linux it means: despite connections of the last run that the system still remembers
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
        listen_on(self._listener, target[1])
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.buffer)  # connections inherit it
        self._listener.listen(BACKLOG)
        self._looked_at = clock.now()
        self._opened(State.IDLE, now)

    def _release(self) -> None:
        for client in self._clients:
            client.close()
        for made, _, _ in self._newcomers:
            made.close()
        self._clients.clear()
        self._newcomers.clear()
        if self._listener is not None:
            self._listener.close()
        self._listener = None


def _prepare(made: socket.socket) -> None:
    """Options of every connection: non-blocking, no delay to fill a packet, small buffers, keepalive."""
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, True)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
