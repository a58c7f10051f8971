"""A peer for the recorder: what `zegel air` says over its socket, and the least reader of what the recorder wrote.

`Peer` starts a real `zegel recorder` on one end of a socket pair. `records` reads a card without any code of gateway's
reader: pyca's decryptor, chunk by chunk.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from cryptography.cobblestone import Cobblestone256Decryptor
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gateway import clock
from gateway.recording import handover, leaf, paths, pcap, sequence
from gateway.recording.group import PORTS, Group
from gateway.recording.handover import Close, FromAir, Session, Sign, Signed, State
from gateway.recording.leaf import Cut, Leaf
from gateway.recording.reason import CloseReason
from keys import cose, grant, recording_header
from keys.errors import KeysError
from keys.grant import Profile
from keys.order import parse_order
from keys.order_station import OrderRecording
from keys.policy import Policy
from keys.statement import Statement
from tests import agency

SEED = bytes(range(32))
KEY_ID = 7
SEGMENT_HEADER, CHUNK_PLAIN = 56, 16_384  # bytes of a Cobblestone file
CHUNK = CHUNK_PLAIN + 16
SOON_S = 20.0


def order_file(**policy: int) -> bytes:
    """An order with one recording key, whose seed is SEED."""
    public = grant.public_bytes(Profile.X_WING, SEED)
    numbers = {"segment_s": 1, **policy}
    key = OrderRecording(KEY_ID, "archive", Profile.X_WING, public)
    return agency.harbour().sign(agency.order(recording=(key,), policy=Policy(**numbers)).payload())


class Air:
    """The session of an aircraft: its keys, and its messages."""

    def __init__(self, order: bytes | None = None, boots: int = 1) -> None:
        self.order = order or order_file()
        self.key = Ed25519PrivateKey.generate()
        self.order_hash = parse_order(self.order).hash()
        device = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
        stated = Statement(self.order_hash, 0, self.key.public_key().public_bytes_raw(), boots, 0)
        self.session_id = stated.session_id()
        self.began = clock.now()
        self.session = Session(self.session_id, self.began, self.order, stated.sign(device), "0.1.0")

    def mono_us(self) -> int:
        return int((clock.now() - self.began) * 1e6)

    def sign(self, payload: bytes) -> bytes:
        try:
            return recording_header.sign(payload, self.key, self.session_id, self.order_hash)
        except KeysError:
            return b""


def data(group: Group, contents: Iterable[bytes], mono_us: int, lost: int = 0) -> bytes:
    """One data message, with a record for each content."""
    port = PORTS[group][0]
    records = (pcap.head(mono_us * 1000, port, len(content)) + content for content in contents)
    return handover.HEAD.pack(handover.DATA, group, 0, lost) + b"".join(records)


class Peer:
    """Air's end, and a recorder as a process. A context manager, which ends the recorder."""

    def __init__(self, folder: Path, air: Air | None = None, signs: bool = True, **record: object) -> None:
        self.folder, self.air, self.signs = folder, air or Air(), signs
        self.said = list[State]()
        self.config = folder.parent / f"{folder.name}.toml"
        table = {"folder": str(folder), "keep_free_mib": 0, **record}
        lines = (f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"' for key, value in table.items())
        self.config.write_text("[record]\n" + "\n".join(lines) + "\n")
        self.socket, self.process = self._started()

    def _started(self) -> tuple[socket.socket, subprocess.Popen[str]]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = ["-m", "gateway.cli", "recorder", "--config", str(self.config), "--fd", str(theirs.fileno())]
        with theirs:
            process = subprocess.Popen(
                [sys.executable, *words],
                pass_fds=[theirs.fileno()],
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        ours.settimeout(SOON_S)
        return ours, process

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.socket.close()
        self.process.kill()
        self.process.communicate()

    def restart(self) -> None:
        """The recorder has died; another one gets the same session."""
        self.socket.close()
        self.process.kill()
        self.process.communicate()
        self.socket, self.process = self._started()
        self.tell(self.air.session)

    def tell(self, *messages: FromAir) -> None:
        for message in messages:
            self.socket.send(handover.encode(message))

    def put(self, group: Group, contents: Iterable[bytes], lost: int = 0) -> None:
        """A data message of now; the recorder's questions are answered meanwhile."""
        self.look()
        self.socket.send(data(group, contents, self.air.mono_us(), lost))

    def look(self, wait_s: float = 0.0) -> None:
        """Read and answer what the recorder says, for so long at least."""
        until = clock.now() + wait_s
        while True:
            self.socket.settimeout(max(0.0, until - clock.now()))
            try:
                self._answer(self.socket.recv(1 << 20))
            except (BlockingIOError, TimeoutError):
                break
            finally:
                self.socket.settimeout(SOON_S)

    def _answer(self, message: bytes) -> None:
        if not message:
            raise ConnectionError("the recorder is gone")
        said = handover.from_recorder(message)
        if isinstance(said, State):
            self.said.append(said)
        elif isinstance(said, Sign) and self.signs:
            self.tell(Signed(said.payload, self.air.sign(said.payload)))

    def wait(self, until, within_s: float = SOON_S) -> None:
        """Answer until `until()` holds."""
        end = clock.now() + within_s
        while not until():
            assert clock.now() < end, (self.said[-1:], self.leaves())
            self.look(0.05)

    def leaves(self) -> list[Leaf]:
        return leaves(self.folder, self.air.session_id)

    def cuts(self) -> list[Cut]:
        return [one for one in self.leaves() if isinstance(one, Cut)]

    def end(self, *before: FromAir) -> str:
        """Air ends its session, and is gone when that is on the card."""
        self.tell(*before, Close(self.air.mono_us(), CloseReason.ENDED))
        self.wait(lambda: leaf.Close(CloseReason.ENDED) in self.leaves())
        return self.close()

    def close(self) -> str:
        """Air is gone: wait for the end of the recorder. What it said for people."""
        self.socket.close()
        output, _ = self.process.communicate(timeout=SOON_S)
        return output


# --- the least reader ---


def leaves(card: Path, session_id: bytes) -> list[Leaf]:
    with contextlib.suppress(FileNotFoundError):
        return leaf.read((paths.session(card, session_id) / paths.LEAVES).read_bytes())
    return []


def segment_keys(rk: bytes) -> Iterator[bytes]:
    """By the specification, without keys/ratchet.py."""
    while True:
        derived = HKDFExpand(hashes.SHA512(), 64, b"Zegel 1.0 Record ratchet").derive(rk)
        key, rk = derived[:32], derived[32:]
        yield key


@dataclasses.dataclass
class Read:
    """What a card holds of one session."""

    counted: dict[Group, list[pcap.Record]]
    tails: dict[Group, list[pcap.Record]]
    wrong: list[str]  # files of counted cuts that are not what their leaf says


def headers(session: Path, public) -> dict[bytes, recording_header.RecordingHeader]:
    """Those that verify, of header.cose and headers.cbor."""
    found = [path.read_bytes() for path in session.glob(f"rec-*/{paths.HEADER}")]
    with contextlib.suppress(FileNotFoundError):
        found += [item for item, _ in sequence.items((session / paths.HEADERS).read_bytes()) if isinstance(item, bytes)]
    verified = {}
    for message in found:
        with contextlib.suppress(KeysError):
            header = recording_header.verify(message, public)
            verified[header.rec_id] = header
    return verified


def read(card: Path, air: Air) -> Read:
    """Every record of the session, and what is wrong with counted cuts. Nothing that a power cut leaves raises."""
    session = paths.session(card, air.session_id)
    found = Read({group: [] for group in Group}, {group: [] for group in Group}, [])
    known = headers(session, air.key.public_key())
    files = {
        (one.rec_id, one.index): one for cut in leaves(card, air.session_id) if isinstance(cut, Cut) for one in cut.files
    }
    for folder in sorted(session.glob("rec-*")):
        rec_id = paths.rec_id(folder.name) or b""
        names = sorted(path for path in folder.iterdir() if paths.index(path.name) is not None)
        header = known.get(rec_id)
        for path in names:
            index = paths.index(path.name)
            content = path.read_bytes()
            one = files.pop((rec_id, index), None)
            if one and (len(content), hashlib.sha256(content).digest()) != (one.length, one.sha256):
                found.wrong.append(f"{path}: {len(content)} bytes, not {one.length}")
            if header is None:
                if one:
                    found.wrong.append(f"{path}: no header")
                continue
            plain, whole = opened(content, header, index)
            if one and not whole:
                found.wrong.append(f"{path}: does not open")
            into = found.counted if one else found.tails
            into[Group(header.group)] += pcap.read(plain, len(pcap.FILE_HEADER) if index == 0 else 0)
    for each in (*found.counted.values(), *found.tails.values()):
        each.sort(key=lambda record: record.time_ns)  # the names of recordings have no order
    found.wrong += [f"rec-{rec_id.hex()}/{index}: missing" for rec_id, index in files]
    return found


def opened(content: bytes, header: recording_header.RecordingHeader, index: int) -> tuple[bytes, bool]:
    """The plaintext up to the first bad chunk, and whether that is all of it."""
    keys = segment_keys(header.open(KEY_ID, Profile.X_WING, SEED))
    key = next(key for place, key in enumerate(keys) if place == index)
    decryptor = Cobblestone256Decryptor(key, cose.dumps(["zegel/1 seg", header.rec_id, index]))
    plain, at = b"", 0
    try:
        while at < len(content):
            size = SEGMENT_HEADER if at == 0 else CHUNK
            plain += decryptor.update(content[at : at + size])
            at += size
        return plain + decryptor.finalize(), True
    except Exception:
        return plain, False


def same_chunks(content: bytes, written: bytes) -> int:
    """Header and chunks that are the same at the beginning of both, the header counted as one."""
    ends = [*range(SEGMENT_HEADER, len(content) + 1, CHUNK)]
    return next((place for place, end in enumerate(ends) if content[:end] != written[:end]), len(ends))
