"""WireGuard: wireguard-go twice, each in a network namespace of its own with a TUN device, joined by a veth pair."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.compiler import Absent
from bench.load import Ways
from bench.relay import Relay
from bench.workspace import Scene
from gateway.demo.stage import free_port

TUN = Path("/dev/net/tun")
PORT = 51820
QUEUE = 4000  # datagrams in the queue of a TUN device: about as many as 4 MiB of socket buffer hold
READY_WITHIN_S = 5.0


class WireGuard:
    """ChaCha20-Poly1305. The kernel's time for wireguard-go's own system calls is in its CPU time; the time of the tunnel's
    devices, on behalf of generator and sink, is not."""

    key, name, install = "wireguard", "wireguard-go", "apt install wireguard-go wireguard-tools iproute2"

    def start(self, scene: Scene) -> Relay:
        for program in ("wireguard-go", "wg", "ip"):
            if shutil.which(program) is None:
                raise FileNotFoundError(program)
        if os.geteuid() or not TUN.exists():
            raise Absent(
                "namespaces and TUN devices need root and /dev/net/tun", hint="run the bench as root, with tun loaded"
            )
        ends = [End(scene, number) for number in (1, 2)]
        _ip(
            "link",
            "add",
            ends[0].veth,
            "netns",
            ends[0].space,
            "type",
            "veth",
            "peer",
            "name",
            ends[1].veth,
            "netns",
            ends[1].space,
        )
        ends[0].join(ends[1])
        ends[1].join(ends[0])
        port, spaces = free_port(), [("ip", "netns", "exec", end.space) for end in ends]
        ways = Ways(port, port, ends[1].inner, ends[1].inner, spaces[0], spaces[1])
        return Relay(self.name, ways, ends[0].process.pid, ends[1].process.pid)


class End:
    """One end of the tunnel: a namespace, its end of the cable, a TUN device, and its process."""

    def __init__(self, scene: Scene, number: int) -> None:
        mark = f"zb{os.getpid() % 100_000}{'ab'[number - 1]}"
        self.space, self.veth, self.tun = mark, f"{mark}v", f"{mark}t"
        self.outer, self.inner = f"10.213.1.{number}", f"10.213.2.{number}"
        key = X25519PrivateKey.generate()
        self.public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        self._key = scene.folder / f"{mark}.key"
        self._key.write_bytes(base64.b64encode(key.private_bytes_raw()))
        _ip("netns", "add", self.space)
        scene.undo.callback(_ip, "netns", "delete", self.space)
        self.process = scene.start(
            ("ip", "netns", "exec", self.space, "wireguard-go", "-f", self.tun), f"wireguard-{number}"
        )
        self._wait_for_tun()

    def join(self, other: End) -> None:
        """Give the devices their addresses, and the tunnel its other end."""
        _ip("-n", self.space, "address", "add", f"{self.outer}/24", "dev", self.veth)
        _ip("-n", self.space, "link", "set", self.veth, "up")
        peer = ("peer", other.public, "allowed-ips", f"{other.inner}/32", "endpoint", f"{other.outer}:{PORT}")
        _run(
            "ip",
            "netns",
            "exec",
            self.space,
            "wg",
            "set",
            self.tun,
            "private-key",
            str(self._key),
            "listen-port",
            str(PORT),
            *peer,
        )
        _ip("-n", self.space, "address", "add", f"{self.inner}/24", "dev", self.tun)
        _ip("-n", self.space, "link", "set", self.tun, "txqueuelen", str(QUEUE), "up")

    def _wait_for_tun(self) -> None:
        until = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < until:
            if _found("ip", "-n", self.space, "link", "show", self.tun):
                return
            time.sleep(0.05)
        raise Absent("wireguard-go makes no TUN device", hint="run wireguard-go -f wg0 by hand and read its messages")


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    told = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - tools of the system
    if told.returncode:
        raise Absent(f"{' '.join(words[:4])}: {told.stderr.strip()}", hint="run the bench as root")


def _found(*words: str) -> bool:
    return subprocess.run(words, capture_output=True, check=False).returncode == 0  # noqa: S603 - tools of the system
