"""Cards as an aircraft leaves them, written from SPEC.md sections 8 and 9 with nothing of gateway.recording.

HPKE, the statement, the order and Cobblestone's encryptor are those of the project and the library, which have tests of
their own; CBOR, HKDF, pcap, names, contexts and leaves are written a second time here.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.cobblestone import Cobblestone256Encryptor
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from keys import grant
from keys.grant import Profile
from keys.order import Order, issue_order
from keys.order_station import OrderRecording
from keys.statement import Statement
from tests.agency import NOW, harbour, order
from tests.vectors.independent import cbor, hkdf_expand

FLIGHT, VIDEO_A, VIDEO_B, CAMERA_C = 1, 2, 3, 4
TELEMETRY, UPLINK, EVENT = 14550, 14551, 14552
PORTS = {FLIGHT: TELEMETRY, VIDEO_A: 5600, VIDEO_B: 5604, CAMERA_C: 5608}
S, MS = 1_000_000, 1_000  # microseconds
Entry = tuple[int, int, bytes]  # time_ns, port, content


class Key(NamedTuple):
    """What of a recording key's folder opens a recording."""

    profile: Profile
    seed: bytes


KEY = Key(Profile.X_WING, bytes(range(32)))
OTHER_KEY = Key(Profile.X_WING, bytes(range(1, 33)))


def order_with(*keys: Key, **changes: object) -> Order:
    """An order with these recording keys."""
    listed = []
    for place, key in enumerate(keys):
        listed.append(OrderRecording(7 + place, f"archive-{place}", key.profile, grant.public_bytes(*key)))
    return order(recording=tuple(listed), **changes)


def pcap(entry: Entry) -> bytes:
    time_ns, port, content = entry
    udp = struct.pack("!HHHH", port, port, 8 + len(content), 0)
    size = 20 + len(udp) + len(content)
    ip = struct.pack("!HHIHH4s4s", 0x4500, size, 0x00004000, 0x4011, 0, bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2)))
    total = sum(struct.unpack("!10H", ip))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    ip = ip[:10] + checksum.to_bytes(2, "big") + ip[12:]
    return struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9, size, size) + ip + udp + content


class Recording:
    """One recording that is being written."""

    def __init__(self, group: int, rec_id: bytes, rk_0: bytes, folder: Path) -> None:
        self.group, self.rec_id, self.folder = group, rec_id, folder
        self.index, self._rk = 0, rk_0
        self.keys: list[bytes] = []

    def segment(self, entries: Iterable[Entry], *, cut_record: bytes = b"") -> bytes:
        """The next file; the ratchet turns."""
        derived = hkdf_expand("sha512", self._rk, b"Zegel 1.0 Record ratchet", 64)
        key, self._rk = derived[:32], derived[32:]
        self.keys.append(key)
        head = bytes.fromhex("4d3cb2a102000400 0000000000000000 ffff0000 e4000000") if self.index == 0 else b""
        encryptor = Cobblestone256Encryptor(key, cbor(["zegel/1 seg", self.rec_id, self.index]))
        sealed = encryptor.update(head + b"".join(map(pcap, entries)) + cut_record) + encryptor.finalize()
        self.index += 1
        return sealed

    def path(self, index: int) -> Path:
        return self.folder / f"{index:08d}.cbl"


class Session:
    """One session that is being written. `entropy` numbers what a real one draws."""

    _numbers = itertools.count(1)

    def __init__(
        self, card: Path, content: Order | None = None, *, boot: int = 1, unix_time: int = NOW, device: int = 1
    ) -> None:
        self.order = content or order_with(KEY)
        self._session_key = Ed25519PrivateKey.from_private_bytes(self._drawn(32))
        public = self._session_key.public_key().public_bytes_raw()
        stated = Statement(self.order.hash(), device - 1, public, boot, unix_time)
        self.id = hashlib.sha256(stated.payload()).digest()[:16]
        self.folder = card / f"session-{self.id.hex()}"
        self.folder.mkdir(parents=True)
        self.write("order.cose", issue_order(self.order, [harbour().signer]))
        self.write("ss.cose", stated.sign(Ed25519PrivateKey.from_private_bytes(bytes([device]) * 32)))
        self.write("headers.cbor", b"")
        self.write("leaves.cbor", b"")
        self.leaf({1: 0, 2: self.order.hash(), 3: "0.1.0", 4: None})

    def _drawn(self, size: int) -> bytes:
        return hashlib.sha256(b"cards" + next(self._numbers).to_bytes(4, "big")).digest()[:size]

    def write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def append(self, name: str, data: bytes) -> None:
        self.write(name, (self.folder / name).read_bytes() + data)

    def leaf(self, leaf: dict[int, object]) -> None:
        self.append("leaves.cbor", cbor(leaf))

    def recording(self, group: int, mono_us: int = 0) -> Recording:
        """Begin one."""
        rec_id, rk_0 = self._drawn(16), self._drawn(32)
        entries = []
        for key in self.order.recording:
            info = cbor(["zegel/1 recording", self.order.hash(), self.id, rec_id, key.id])
            entries.append([key.id, grant.seal(key.profile, key.pub, info, rk_0)])
        scheme = "c2sp.org/chunked-encryption@v1 AEAD_AES_256_GCM SHA-512"
        values = [rec_id, self.order.hash(), self.id, "application/vnd.tcpdump.pcap", scheme, entries, group, mono_us]
        header = self.signed(cbor(dict(enumerate(values, 1))))
        made = Recording(group, rec_id, rk_0, self.folder / f"rec-{rec_id.hex()}")
        made.folder.mkdir()
        (made.folder / "header.cose").write_bytes(header)
        self.append("headers.cbor", cbor(header))
        self.leaf({1: 1, 2: rec_id, 3: hashlib.sha256(header).digest()})
        return made

    def signed(self, payload: bytes) -> bytes:
        """COSE_Sign1 (RFC 9052 section 4.2) by the session key."""
        protected = cbor({1: -19, 16: "zegel-rec"})
        signature = self._session_key.sign(cbor(["Signature1", protected, b"", payload]))
        return b"\xd2" + cbor([protected, {4: self.id[:8]}, payload, signature])

    def cut(self, start_us: int, end_us: int, held: Mapping[Recording, Sequence[Entry]], utc_us: int = 0) -> None:
        """The segments of all groups, and their leaf."""
        files = []
        for recording, entries in held.items():
            index, sealed = recording.index, recording.segment(entries)
            recording.path(index).write_bytes(sealed)
            files.append([recording.group, recording.rec_id, index, len(sealed), hashlib.sha256(sealed).digest()])
        self.leaf({1: 2, 2: start_us, 3: end_us, 4: utc_us, 5: files})

    def tail(self, recording: Recording, entries: Sequence[Entry], size: int | None = None, more: bytes = b"") -> None:
        """A segment without a leaf: `size` bytes of it are on the card, and `more` behind them."""
        index, sealed = recording.index, recording.segment(entries)
        recording.path(index).write_bytes(sealed[:size] + more)

    def gap(self, groups: list[int], from_us: int, to_us: int, reason: int, lost: int = 0, station: int = 0) -> None:
        self.leaf({1: 4, 2: groups, 3: from_us, 4: 0, 5: reason, 6: 0, 7: station})
        if to_us:
            self.leaf({1: 4, 2: groups, 3: from_us, 4: to_us, 5: reason, 6: lost, 7: station})

    def armed(self, mono_us: int, is_armed: bool) -> None:
        self.leaf({1: 8, 2: mono_us, 3: int(is_armed)})

    def close(self, reason: int = 1) -> None:
        self.leaf({1: 6, 2: reason})


def entries(group: int, from_us: int, to_us: int, every_us: int, size: int = 1000) -> list[Entry]:
    """Contents that differ, evenly spaced."""
    port = PORTS[group]
    return [
        (at * 1000, port, hashlib.shake_256(f"{group} {at}".encode()).digest(size))
        for at in range(from_us, to_us, every_us)
    ]


def flight(
    card: Path, content: Order | None = None, *, seconds: int = 20, epoch_s: int = 10, **more: int
) -> tuple[Session, list[Entry]]:
    """A flight with telemetry and video A, cut every 2 s, in recordings of `epoch_s`: it, and all that is in it."""
    session, held = Session(card, content, **more), []
    recordings: list[Recording] = []
    for start in range(0, seconds * S, 2 * S):
        if start % (epoch_s * S) == 0:
            recordings = [session.recording(group, start) for group in (FLIGHT, VIDEO_A)]
        parts = {
            recording: entries(recording.group, start, start + 2 * S, 100 * MS if recording.group == FLIGHT else 20 * MS)
            for recording in recordings
        }
        session.cut(start, start + 2 * S, parts, (NOW * S + start + 2 * S) if more.get("unix_time", NOW) else 0)
        held += [entry for part in parts.values() for entry in part]
    return session, held
