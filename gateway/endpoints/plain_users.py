"""Which users' programs on this computer may use the plain endpoints, and which others tried.

What lives here: `PlainUsers`, the rule of one role; `Peers`, the peers of one UDP endpoint and what is known of them.
What must not: reading the system's tables (socket_users.py), text for people.

A peer on this computer is looked up when it is new, and twice a second from then on. Before a command is accepted from it
the answer must be no older than 2 ms, and no socket may have left its port recently. Other datagrams cost a look-up in a
dictionary. A port that no program has, or one whose user cannot be determined, is refused: the datagrams of a program that
ended before the look-up are not accepted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from gateway.endpoints import socket_users
from gateway.endpoints.departures import Departures
from gateway.endpoints.lookup import SockAddr, in_words
from gateway.endpoints.mmsg import Peer
from gateway.endpoints.socket_users import UdpPorts, User

LOOK_EVERY_S = 0.5  # a change of the program at a port is noticed after this time at the latest
LOOK_EARLY_S = 0.05  # a tick that comes a little early looks too: the answer must not be too old before the next one
LOOK_ABSENT_EVERY_S = 0.1  # the longest wait of a program that begins to listen for its first datagram
LOOK_FOR_COMMANDS_S = 0.002  # the largest age of the answer for a command
LEFT_FOR_S = 0.25  # datagrams that a socket sent before it left a port have been read by then
REST = 19  # after a look for newcomers, wait this many times its duration: a flood takes 5 % of a core at most
OWED_MAX_S = 0.5  # seconds of that wait that are free: a few newcomers at once are looked up without delay
LOOKS_MAX = 3  # for a port: Linux returns the table in pieces, and skips a row if others are closed meanwhile
PEERS_MAX = 256  # peers that one endpoint remembers before it forgets some
STRANGERS_MAX = 16
NOT_HERE = -1  # the user of a program on another computer: unknown, and allowed
LEFT_MAX = 1024
ASKED_MAX = 64  # ports of recent senders
OVERFLOW_UID = 65_534  # "nobody": Linux shows it for every user that it cannot show


Connection: TypeAlias = tuple[SockAddr, SockAddr]  # their end, and ours


class Stranger(NamedTuple):
    """A user that was kept out: uid, or None if unknown; from which address, at which endpoint, and when last."""

    user: User
    peer: str
    endpoint: str
    at: float


class PlainUsers:
    """`uids` are allowed; no other user of this computer is, not even root unless it is among them.

    `strangers`  the latest of each user who was kept out
    `trouble`    why the system's tables cannot be read, or empty; while there is a reason, no one is allowed
    `flooded`    sockets were closed faster than the notices are read; from then on only ports of recent senders are watched
    """

    def __init__(self, uids: Collection[int]) -> None:
        self.uids = frozenset(uids) - {OVERFLOW_UID} | {NOT_HERE}
        self.strangers: dict[User, Stranger] = {}
        self.trouble = ""
        self.departures = Departures()
        self._left: dict[int, float] = {}  # port -> when a socket left it
        self._asked: dict[int, None] = {}  # ports of recent senders, the latest last
        self.flooded = False
        self._ports: UdpPorts = {}
        self._looked_at = self._rest_until = float("-inf")  # no look for newcomers before this time

    def newcomers_ports(self, wanted: Collection[int]) -> UdpPorts | None:
        """The present users of the UDP ports; None if there were so many looks that this one has to wait.

        `wanted` are the ports that the caller asks about, here and below.
        """
        if self.tired:
            return None
        began = time.monotonic()
        ports = self.ports_now(wanted)
        self._rest(began)
        return ports

    def ports_now(self, wanted: Collection[int]) -> UdpPorts:
        """The same, without that limit: for callers that ask a few times a second at most."""
        ports: UdpPorts = {}
        for _ in range(LOOKS_MAX):
            try:
                ports, self.trouble = socket_users.udp_ports(), ""
            except OSError as error:
                ports, self.trouble = {}, str(error)
            if all(port in ports for port in wanted):
                break
        return ports

    def ports(self, now: float, wanted: Collection[int]) -> UdpPorts:
        """The users of the UDP ports as they were in this turn of the loop, which all endpoints share."""
        if now != self._looked_at or not all(port in self._ports for port in wanted):
            self._looked_at, self._ports = now, self.ports_now(wanted)
            self._see_who_left(now)
        return self._ports

    def was_left(self, port: int, now: float) -> bool:
        """Whether a socket has left this UDP port recently: it may be the sender. Call it after the look-up of the user."""
        if port not in self._asked:
            self._asked = dict.fromkeys([*self._asked, port][-ASKED_MAX:])
            self._tell_no_more_than_asked()
        self._see_who_left(now)
        return now - self._left.get(port, float("-inf")) < LEFT_FOR_S

    def _see_who_left(self, now: float) -> None:
        left = self.departures.pop()
        if left is None and not self.flooded:  # some notices were lost; to refuse all commands would stop the pilot
            self.flooded = True
            self._tell_no_more_than_asked()
        self._left |= dict.fromkeys(left or (), now)
        if len(self._left) > LEFT_MAX:
            self._left = {gone: at for gone, at in self._left.items() if now - at < LEFT_FOR_S}

    def _tell_no_more_than_asked(self) -> None:
        """Otherwise a program that opens and closes sockets without end would cause every command to be refused."""
        if self.flooded:
            self.departures.only(self._asked)

    def may_have(self, users: Collection[User], peer: str, endpoint: str, now: float) -> bool:
        """Whether there are `users` of a port, and all of them are allowed; those that are not are remembered."""
        for user in users:
            if user not in self.uids:
                self.keep_out(user, peer, endpoint, now)
        return bool(users) and self.uids.issuperset(users)

    def keep_out(self, user: User, peer: str, endpoint: str, now: float) -> None:
        """Remember a user that was kept out; if there are too many, the latest ones."""
        self.strangers.pop(user, None)
        self.strangers[user] = Stranger(user, peer, endpoint, now)
        if len(self.strangers) > STRANGERS_MAX:
            del self.strangers[next(iter(self.strangers))]

    def forget(self, before: float) -> None:
        """Forget the strangers that were not kept out again since."""
        self.strangers = {user: stranger for user, stranger in self.strangers.items() if stranger.at >= before}

    def connected(self, connections: Sequence[Connection]) -> list[User] | None:
        """The user at the other end of each; None if there were so many looks that this one has to wait.

        NOT_HERE is the user of those that are not on this computer.
        """
        here = [socket_users.host_of(ours).is_loopback or socket_users.is_here(theirs) for theirs, ours in connections]
        if not any(here):
            return [NOT_HERE] * len(here)
        if self.tired:
            return None
        began = time.monotonic()
        users: list[User] = []
        for _ in range(LOOKS_MAX):
            users = self._connected_now(connections, here)
            if None not in users:
                break
        self._rest(began)
        return users

    def _connected_now(self, connections: Sequence[Connection], here: Sequence[bool]) -> list[User]:
        try:
            table, self.trouble = socket_users.tcp_connections(), ""
        except OSError as error:
            table, self.trouble = b"", str(error)
        return [
            socket_users.tcp_user(table, *ends) if local else NOT_HERE
            for ends, local in zip(connections, here, strict=True)
        ]

    def _rest(self, began: float) -> None:
        ended = time.monotonic()
        self._rest_until = max(self._rest_until, ended) + REST * (ended - began)

    @property
    def tired(self) -> bool:
        """Whether newcomers have to wait, because there were too many looks."""
        return self._rest_until > time.monotonic() + OWED_MAX_S


class Peers:
    """Which peers of one UDP socket are allowed.

    `address` gives the socket address of a peer; `all_here`: only this computer can reach the socket;
    `look_s`: how old an answer may be.
    """

    def __init__(
        self,
        users: PlainUsers,
        endpoint: str,
        address: Callable[[Peer], SockAddr],
        *,
        all_here: bool,
        look_s: float = LOOK_EVERY_S,
    ) -> None:
        self._users, self._endpoint, self._address, self._all_here = users, endpoint, address, all_here
        self._look_s = look_s
        self._may: dict[Peer, bool] = {}
        self._clients: frozenset[Peer] = frozenset()  # as of the last review
        self._review_at = self._look_at = float("-inf")

    def admitted(self, peers: Sequence[Peer], now: float) -> list[Peer]:
        """The allowed ones of `peers`."""
        if now >= self._look_at:  # a flood of newcomers does not delay this
            self._look_at = now + self._look_s
            known = [peer for peer in peers if peer in self._may and self._is_here(peer)]
            self._learn(known, self._users.ports_now(self._ports_of(known)) if known else {}, now)
        elif self._look_s >= LOOK_EVERY_S and all(map(self._may.get, peers)):
            return [*peers]
        new = [peer for peer in peers if peer not in self._may]
        if new:
            self._make_room()
            here = [peer for peer in new if self._is_here(peer)]
            ports = self._users.newcomers_ports(self._ports_of(here)) if here else {}
            if ports is not None:  # otherwise they are not accepted yet
                self._learn(new, ports, now)
        return [peer for peer in peers if self._may.get(peer) and not self._may_have_left(peer, now)]

    def known_until(self, peer: Peer) -> float | None:
        """Until when this peer is allowed without a further look; None if it is not, or if each datagram needs one."""
        return self._look_at if self._may.get(peer) and self._look_s >= LOOK_EVERY_S else None

    def _may_have_left(self, peer: Peer, now: float) -> bool:
        """Whether another program may have sent a command, and has closed its socket since."""
        address = self._address(peer)
        if self._look_s >= LOOK_EVERY_S or not self._is_here(peer) or not self._users.was_left(address[1], now):
            return False
        self._users.keep_out(None, in_words(address), self._endpoint, now)
        return True

    def review(self, clients: Iterable[Peer], now: float) -> list[Peer]:
        """When it is time, check `clients` again and forget all others; the clients that are no longer allowed."""
        if now < self._review_at:
            return []
        self._review_at, self._look_at = now + LOOK_EVERY_S - LOOK_EARLY_S, now + self._look_s
        clients = list(clients)
        ports = self._users.ports(now, self._ports_of(filter(self._is_here, clients)))
        self._may = {peer: self._judge(peer, ports, now) for peer in clients}
        self._clients = frozenset(self._may)
        return [peer for peer, may in self._may.items() if not may]

    def programs_here(self) -> Iterator[Peer]:
        """The allowed peers on this computer, for `review` by an endpoint that keeps no clients: they stay known."""
        return (peer for peer, may in self._may.items() if may and self._is_here(peer))

    def _learn(self, peers: Iterable[Peer], ports: UdpPorts, now: float) -> None:
        self._may |= {peer: self._judge(peer, ports, now, gone=(None,)) for peer in peers}

    def _make_room(self) -> None:
        """If there are too many, remember only allowed peers that are clients or on this computer: there are few of them.

        Every other sender is checked again, so a flood from ever new ports excludes no newcomer.
        """
        if len(self._may) >= PEERS_MAX:
            stay = {peer for peer, may in self._may.items() if may and (peer in self._clients or self._is_here(peer))}
            self._may = dict.fromkeys(stay, True)

    def _ports_of(self, peers: Iterable[Peer]) -> set[int]:
        return {self._address(peer)[1] for peer in peers}

    def _is_here(self, peer: Peer) -> bool:
        return self._all_here or socket_users.is_here(self._address(peer))

    def _judge(self, peer: Peer, ports: UdpPorts, now: float, gone: Collection[User] = ()) -> bool:
        """`gone` is the reason if no program has the port."""
        if not self._is_here(peer):
            return True
        address = self._address(peer)
        return self._users.may_have(ports.get(address[1], gone), in_words(address), self._endpoint, now)
