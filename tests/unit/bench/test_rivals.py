"""The C relays and the other programs: what goes in comes out, and what was changed on the way does not."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

import pytest

from bench import rivals
from bench.compiler import Absent
from bench.relay import Peer
from bench.workspace import Scene, scene
from gateway.demo.stage import HOST, udp_socket

C = (rivals.OneByOne(), rivals.Batched(gro=False), rivals.Batched(gro=True))
AFTER_S = 5.0


@pytest.fixture
def here():
    with scene() as made:
        yield made


def started(peer: Peer, here: Scene):
    """The relay, ready; the test is skipped where the peer cannot run."""
    try:
        relay = peer.start(here)
        relay.wait_ready()
    except (Absent, FileNotFoundError) as error:
        pytest.skip(f"{peer.name}: {error}; {peer.install}")
    return relay


@pytest.mark.parametrize("peer", rivals.RIVALS, ids=lambda peer: peer.key)
def test_a_relay_passes_all_on_in_order(peer, here):
    run = started(peer, here).carry(1000, 0.2).run
    assert (run.offered.sent, run.counted.received) == (200, 200)
    assert (run.counted.duplicates, run.counted.out_of_order) == (0, 0)


@pytest.mark.parametrize("peer", C, ids=lambda peer: peer.key)
def test_what_was_changed_on_the_way_is_not_passed_on(peer, here):
    """The link of a pair is its own, so two pairs are crossed: sealed by one, changed, and given to the other's opener."""
    relay = started(peer, here)
    with udp_socket() as link, udp_socket(relay.ways.leave) as player:
        link.setblocking(True)
        player.settimeout(AFTER_S)
        sealed = sealed_by(peer, here, link)
        changed = bytes([*sealed[:-1], sealed[-1] ^ 1])
        for datagram in (changed, b"short", sealed):
            link.sendto(datagram, (HOST, link_port(relay.opening)))
        assert player.recv(2048) == b"plain"
        player.settimeout(0.2)
        with pytest.raises(TimeoutError):
            player.recv(2048)


def sealed_by(peer: Peer, here: Scene, link: socket.socket) -> bytes:
    """One datagram that a sealing process of this peer has made of b"plain"."""
    name, library, package = ("one_by_one" if peer.key == "c1" else "batched"), ("crypto",), "libssl-dev"
    with udp_socket() as probe:
        port = probe.getsockname()[1]
    here.start((rivals.built(name, library, package), "seal", str(port), str(link.getsockname()[1])), "crossed")
    link.settimeout(0.05)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as out:
        for _ in range(100):  # until it listens
            out.sendto(b"plain", (HOST, port))
            with contextlib.suppress(TimeoutError):
                return link.recv(2048)
    raise AssertionError("nothing was sealed")


def link_port(pid: int) -> int:
    """The port that an opening process was told to listen on: the second word after its role."""
    return int(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[2])


def test_no_compiler_is_said_with_what_installs_one(here, monkeypatch, tmp_path):
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(Absent) as told:
        rivals.OneByOne().start(here)
    assert "apt install gcc" in told.value.hint
