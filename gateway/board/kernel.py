"""Kernel: the functions that make Zegel fast, tested on loopback, and the buffers that a socket gets."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

from gateway.batch import Batch
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.subject import Subject
from gateway.config import Tuning
from gateway.endpoints.gro import UDP_GRO, Gro
from gateway.endpoints.mmsg import SOL_UDP, UDP_SEGMENT, Mmsg, new_mover

COUNT, SIZE = 8, 400  # datagrams of the trial
ARRIVES_WITHIN_S = 0.5
SYSCTL = "/etc/sysctl.d/60-zegel.conf"
NEWER = "a kernel of 5.0 or newer, as Raspberry Pi OS Bookworm and Debian 12 have: sudo apt full-upgrade"


def look(subject: Subject) -> Iterator[Finding]:
    """recvmmsg, GSO, GRO, socket buffers."""
    missing = [name for name, works in (("recvmmsg", _many), ("GSO", _cut_apart), ("GRO", _as_one)) if not _tried(works)]
    if new_mover is not Mmsg:
        yield unknown("kernel", "no recvmmsg on this system: plain sockets are used, good enough for a ground")
    elif missing:
        yield do(
            "kernel", f"no {' and no '.join(missing)}: it works, but takes twice the processor time", NEWER, interrupts=True
        )
    else:
        yield ok("kernel", "recvmmsg, GSO and GRO work")
    yield _buffers(subject)


def _buffers(subject: Subject) -> Finding:
    asked = (subject.settings.buffer_kib if subject.settings else Tuning().buffer_kib) << 10
    given: dict[str, int] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        for name, option in (("rmem_max", socket.SO_RCVBUF), ("wmem_max", socket.SO_SNDBUF)):
            made.setsockopt(socket.SOL_SOCKET, option, asked)
            given[name] = made.getsockopt(socket.SOL_SOCKET, option) // 2  # Linux keeps as much again for its own use
    short = {name: size for name, size in given.items() if size < asked}
    if not short:
        return ok("buffers", f"{asked >> 10} KiB in each direction, as requested")
    lines = "; ".join(f"net.core.{name} = {asked}" for name in short)
    return do(
        "buffers",
        f"a socket gets {min(short.values()) >> 10} KiB of the {asked >> 10} requested: bursts of video are lost",
        f"echo '{lines}' | tr ';' '\\n' | sudo tee -a {SYSCTL} && sudo sysctl -p {SYSCTL}, then start zegel again",
        interrupts=True,
    )


# --- trials ---


def _tried(works: object) -> bool:
    assert callable(works)
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        far.bind(("127.0.0.1", 0))
        near.connect(far.getsockname())
        for made in (near, far):
            made.settimeout(ARRIVES_WITHIN_S)
        return bool(works(near, far))
    return False


def _many(near: socket.socket, far: socket.socket) -> bool:
    """Several datagrams with one call."""
    for _ in range(COUNT):
        near.send(bytes(SIZE))
    batch = Batch()
    return new_mover is Mmsg and Mmsg(far).receive(batch) == COUNT


def _cut_apart(near: socket.socket, far: socket.socket) -> bool:
    """One sent, several received."""
    near.setsockopt(SOL_UDP, UDP_SEGMENT, SIZE)
    near.send(bytes(COUNT * SIZE))
    return all(len(far.recv(COUNT * SIZE)) == SIZE for _ in range(COUNT))


def _as_one(near: socket.socket, far: socket.socket) -> bool:
    """Several sent as one, received as one, and split."""
    mover = Gro(far)
    if not far.getsockopt(SOL_UDP, UDP_GRO):
        return False
    near.setsockopt(SOL_UDP, UDP_SEGMENT, SIZE)
    near.send(bytes(COUNT * SIZE))
    batch, until = Batch(), time.monotonic() + ARRIVES_WITHIN_S
    while not mover.receive(batch) and time.monotonic() < until:
        time.sleep(0.001)
    return batch.count == COUNT and batch.longest() == SIZE
