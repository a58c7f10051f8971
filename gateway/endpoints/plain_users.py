"""Whose programs on this computer may be at the plain endpoints, and who tried.

What lives here: `PlainUsers`, the rule of one role; `Peers`, what one UDP endpoint knows of those it hears and sends to.
What must not: reading the system's tables (socket_users.py), words for people.

A peer of this computer is looked up when it is new, and twice a second from then on; before a command is taken from it
the answer is no older than 2 ms, and no socket may have left its port lately. What comes in between costs a look into a
dictionary. A port that no program has, or one whose user cannot be told, is refused: a program that sent, and was gone
before it could be looked up, is not heard.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from gateway.endpoints import socket_users
from gateway.endpoints.departures import Departures
from gateway.endpoints.lookup import SockAddr, in_words
from gateway.endpoints.mmsg import Peer
from gateway.endpoints.socket_users import UdpPorts, User

LOOK_EVERY_S = 0.5  # how long somebody may have a port that was another's before it is noticed
LOOK_ABSENT_EVERY_S = 0.1  # how long a program that begins to listen waits for its first datagram
LOOK_FOR_COMMANDS_S = 0.002  # the same, before it is believed with a command
LEFT_FOR_S = 0.25  # what a socket sent before it left a port has been read by then
REST = 19  # times what a look for newcomers took is owed before the next: a flood of them takes 5 % of a core at most
OWED_MAX_S = 0.5  # of this; a few newcomers at once are looked at without delay
LOOKS_MAX = 3  # for a port: Linux shows the table in pieces, and a row is skipped where others are closed meanwhile
PEERS_MAX = 256  # peers that one endpoint knows before it forgets some
STRANGERS_MAX = 16
NOT_HERE = -1  # the user of a program that is not on this computer: nothing is known, and it may
LEFT_MAX = 1024
ASKED_MAX = 64  # ports of those that were heard
OVERFLOW_UID = 65_534  # "nobody": what Linux shows for every user whom it cannot show


Connection: TypeAlias = tuple[SockAddr, SockAddr]  # their end, and ours


class Stranger(NamedTuple):
    """Somebody who was kept out: uid, or None if it cannot be told; where from, at which endpoint, and when last."""

    user: User
    peer: str
    endpoint: str
    at: float


class PlainUsers:
    """`uids` may; nobody else on this computer may, root neither unless it is among them.

    `strangers`  the latest of each user who was kept out
    `trouble`    why the system's tables cannot be read, or empty; then nobody may
    `flooded`    sockets were closed faster than that is read; from then on it is told only of ports that were heard
    """

    def __init__(self, uids: Collection[int]) -> None:
        self.uids = frozenset(uids) - {OVERFLOW_UID} | {NOT_HERE}
        self.strangers: dict[User, Stranger] = {}
        self.trouble = ""
        self.departures = Departures()
        self._left: dict[int, float] = {}  # port -> when a socket left it
        self._asked: dict[int, None] = {}  # ports that it matters of, the latest last
        self.flooded = False
        self._ports: UdpPorts = {}
        self._looked_at = self._rest_until = float("-inf")  # rest until then is owed

    def newcomers_ports(self, wanted: Collection[int]) -> UdpPorts | None:
        """The users of the UDP ports as they are now; None if they were looked at so often that it has to wait.

        `wanted` are the ports that the caller asks about, here and below.
        """
        if self.tired:
            return None
        began = time.monotonic()
        ports = self.ports_now(wanted)
        self._rest(began)
        return ports

    def ports_now(self, wanted: Collection[int]) -> UdpPorts:
        """The same, however often it was looked at: for callers that ask a few times a second at most."""
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
        """Whether a socket has left this UDP port lately: it may be that one which sent. Ask after looking whose it is."""
        if port not in self._asked:
            self._asked = dict.fromkeys([*self._asked, port][-ASKED_MAX:])
            self._tell_no_more_than_asked()
        self._see_who_left(now)
        return now - self._left.get(port, float("-inf")) < LEFT_FOR_S

    def _see_who_left(self, now: float) -> None:
        left = self.departures.take()
        if left is None and not self.flooded:  # some were lost; to refuse all would stop the pilot
            self.flooded = True
            self._tell_no_more_than_asked()
        self._left |= dict.fromkeys(left or (), now)
        if len(self._left) > LEFT_MAX:
            self._left = {gone: at for gone, at in self._left.items() if now - at < LEFT_FOR_S}

    def _tell_no_more_than_asked(self) -> None:
        """Else any program that opens and closes sockets without end would have every command refused."""
        if self.flooded:
            self.departures.only(self._asked)

    def may_have(self, users: Collection[User], peer: str, endpoint: str, now: float) -> bool:
        """Whether there are `users` of a port, and all of them may be there; who may not is remembered."""
        for user in users:
            if user not in self.uids:
                self.keep_out(user, peer, endpoint, now)
        return bool(users) and self.uids.issuperset(users)

    def keep_out(self, user: User, peer: str, endpoint: str, now: float) -> None:
        """Remember who was kept out; of too many, those who came last."""
        self.strangers.pop(user, None)
        self.strangers[user] = Stranger(user, peer, endpoint, now)
        if len(self.strangers) > STRANGERS_MAX:
            del self.strangers[next(iter(self.strangers))]

    def forget(self, before: float) -> None:
        """Those strangers that have not been kept out since."""
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
        """Whether newcomers have to wait: they were looked at too often."""
        return self._rest_until > time.monotonic() + OWED_MAX_S


class Peers:
    """Who of those that one UDP socket hears may be heard and sent to.

    `address` gives the socket address of a peer; `all_here`: the socket is bound where only this computer can reach it;
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
        """Those of `peers` that may be heard."""
        if now >= self._look_at:  # a flood of newcomers puts this off for nobody
            self._look_at = now + self._look_s
            known = [peer for peer in peers if peer in self._may and self._is_here(peer)]
            self._learn(known, self._users.ports_now(self._ports_of(known)) if known else {}, now)
        new = [peer for peer in peers if peer not in self._may]
        if new:
            self._make_room()
            here = [peer for peer in new if self._is_here(peer)]
            ports = self._users.newcomers_ports(self._ports_of(here)) if here else {}
            if ports is not None:  # else they are not heard yet
                self._learn(new, ports, now)
        return [peer for peer in peers if self._may.get(peer) and not self._may_have_left(peer, now)]

    def _may_have_left(self, peer: Peer, now: float) -> bool:
        """Whether it is another that sent a command, and has closed its socket since."""
        address = self._address(peer)
        if self._look_s >= LOOK_EVERY_S or not self._is_here(peer) or not self._users.was_left(address[1], now):
            return False
        self._users.keep_out(None, in_words(address), self._endpoint, now)
        return True

    def review(self, clients: Iterable[Peer], now: float) -> list[Peer]:
        """When it is time, look again at `clients` and forget all others; those that may not be sent to any more."""
        if now < self._review_at:
            return []
        self._review_at, self._look_at = now + LOOK_EVERY_S, now + self._look_s
        clients = list(clients)
        ports = self._users.ports(now, self._ports_of(filter(self._is_here, clients)))
        self._may = {peer: self._judge(peer, ports, now) for peer in clients}
        self._clients = frozenset(self._may)
        return [peer for peer, may in self._may.items() if not may]

    def _learn(self, peers: Iterable[Peer], ports: UdpPorts, now: float) -> None:
        self._may |= {peer: self._judge(peer, ports, now, gone=(None,)) for peer in peers}

    def _make_room(self) -> None:
        """Of too many, those who may be heard stay known if they are clients or on this computer: there are few of them.

        Whoever else sends again is judged again, so a flood from ever new ports keeps no newcomer out.
        """
        if len(self._may) >= PEERS_MAX:
            stay = {peer for peer, may in self._may.items() if may and (peer in self._clients or self._is_here(peer))}
            self._may = dict.fromkeys(stay, True)

    def _ports_of(self, peers: Iterable[Peer]) -> set[int]:
        return {self._address(peer)[1] for peer in peers}

    def _is_here(self, peer: Peer) -> bool:
        return self._all_here or socket_users.is_here(self._address(peer))

    def _judge(self, peer: Peer, ports: UdpPorts, now: float, gone: Collection[User] = ()) -> bool:
        """`gone` is to blame for a port that no program has."""
        if not self._is_here(peer):
            return True
        address = self._address(peer)
        return self._users.may_have(ports.get(address[1], gone), in_words(address), self._endpoint, now)
