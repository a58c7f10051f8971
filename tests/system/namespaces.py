"""Two computers made of network namespaces, and the cables between them. Needs no root where users may make namespaces."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys

import pytest

READY = "ready\n"
HOLD = ("sh", "-c", "ip link set lo up && echo ready && exec cat")  # until its standard input ends, as with this process
SEND_SOCKET = 'socket.send_fds(socket.socket(fileno=int(sys.argv[-1])), [b"."], [made.fileno()])'
MAKE_UDP = f"""
import socket, sys
made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
made.bind((sys.argv[1], int(sys.argv[2])))
{SEND_SOCKET}
"""
EVERY_FRAME = 3  # ETH_P_ALL
MAKE_CAPTURE = f"""
import socket, sys
made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons({EVERY_FRAME}))
made.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
made.bind((sys.argv[1], {EVERY_FRAME}))
{SEND_SOCKET}
"""


class Host:
    """A network namespace; that of `beside` lends it the right to be connected with it. Skips if none can be had.

    With `all_users` the users of this computer are on it, for which this process must be root; else root alone is.
    """

    def __init__(self, beside: Host | None = None, *, all_users: bool = False) -> None:
        if missing := [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]:
            pytest.skip(f"needs {' and '.join(missing)} to make network namespaces")
        self._all_users = all_users
        alone = ("unshare", "--net", *(() if beside or all_users else ("--map-root-user",)))
        words = [*(beside.within if beside else ()), *alone, *HOLD]
        self._held = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if self._held.stdout.readline() != READY:
            pytest.skip(f"no network namespace can be made here: {self._held.communicate()[1].strip()}")

    @property
    def pid(self) -> int:
        return self._held.pid

    @property
    def within(self) -> tuple[str, ...]:
        """Put before the words of a command, it runs on this host."""
        users = () if self._all_users else ("--user", "--preserve-credentials")
        return ("nsenter", "--target", str(self.pid), "--net", *users)

    def ip(self, *words: str) -> str:
        return subprocess.run([*self.within, "ip", *words], check=True, capture_output=True, text=True).stdout

    def udp(self, port: int = 0, at: str = "127.0.0.1") -> socket.socket:
        """A socket at this address of this host, for this process."""
        return self._socket(MAKE_UDP, at, str(port))

    def capture(self, device: str) -> socket.socket:
        """A socket that sees every frame of one of this host's interfaces; root's."""
        return self._socket(MAKE_CAPTURE, device)

    def _socket(self, source: str, *more: str) -> socket.socket:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            words = [*self.within, sys.executable, "-c", source, *more, str(theirs.fileno())]
            subprocess.run(words, check=True, pass_fds=[theirs.fileno()])
            (fd,) = socket.recv_fds(ours, 1, 1)[1]
        made = socket.socket(fileno=fd)
        made.setblocking(False)
        return made

    def end(self) -> None:
        self._held.communicate()


class Cable:
    """From one host to another, with an address at each end: 10.`net`.0.1 and 10.`net`.0.2."""

    def __init__(self, name: str, net: int, hosts: tuple[Host, Host]) -> None:
        self.name, self._hosts = name, hosts
        self.addresses = (f"10.{net}.0.1", f"10.{net}.0.2")
        try:
            self.plug()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no veth pair can be made here: {error.stderr.strip()}")

    def plug(self, near_address: str | None = None) -> None:
        """New interfaces at both ends."""
        self.addresses = near_address or self.addresses[0], self.addresses[1]
        near, far = self._hosts
        near.ip("link", "add", self.name, "type", "veth", "peer", "name", self.name, "netns", str(far.pid))
        for end in range(2):
            self.give_address(end)
            self.up(end)

    def remove(self) -> None:
        """The interfaces of both ends are gone."""
        self._hosts[0].ip("link", "del", self.name)

    def index(self, end: int) -> int:
        """The number by which the system knows the interface."""
        return int(self._hosts[end].ip("-o", "link", "show", self.name).partition(":")[0])

    def up(self, end: int) -> None:
        self._hosts[end].ip("link", "set", self.name, "up")

    def down(self, end: int) -> None:
        self._hosts[end].ip("link", "set", self.name, "down")

    def give_address(self, end: int) -> None:
        self._hosts[end].ip("addr", "add", f"{self.addresses[end]}/24", "dev", self.name)

    def take_address(self, end: int) -> None:
        self._hosts[end].ip("addr", "del", f"{self.addresses[end]}/24", "dev", self.name)


@contextlib.contextmanager
def two_hosts():
    """Two hosts that nothing connects yet."""
    with contextlib.ExitStack() as stack:
        first = Host()
        stack.callback(first.end)
        second = Host(beside=first)
        stack.callback(second.end)
        yield first, second
