"""An export's originals, as the first of its two processes leaves them: pcaps, and what is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gateway.recording import pcap
from gateway.recording.export.derive import Derivation
from gateway.recording.export.plan import Asked, Original, Plan
from gateway.recording.group import Port
from gateway.recording.pcap import Record

BEGAN_US = 1_790_000_000_000_000  # UTC of the session's beginning
SESSION = "00112233445566778899aabbccddeeff"


def originals(folder: Path, lanes: Mapping[str, Iterable[Record]], *, sdp: str = "", from_ns: int | None = None) -> Plan:
    """Writes them. The aircraft claimed a time."""
    asked = Asked(SESSION, list(lanes), from_ns, None, sdp)
    plan = Plan(asked, "0.0", {"Device": "drone-7"}, [(1_000_000, BEGAN_US + 1_000_000)], [], [])
    for lane, records in lanes.items():
        original = plan.originals[lane] = Original()
        with (folder / f"{lane}.pcap").open("wb") as file:
            file.write(pcap.FILE_HEADER)
            for time_ns, port, content in records:
                file.write(pcap.head(time_ns, port, len(content)) + content)
                original.records += 1
                original.from_ns = time_ns if original.from_ns is None else original.from_ns
                original.to_ns = time_ns
    return plan


def derived(folder: Path, plan: Plan) -> list[str]:
    """The second process, in this one: the names that are then in the folder."""
    plan.store(folder)
    Derivation(folder, plan, lambda *_: None).run()
    return sorted(path.name for path in folder.iterdir())


def video(packets: Iterable[tuple[float, bytes]], port: Port = Port.VIDEO_A) -> list[Record]:
    """Datagrams and the seconds at which they came."""
    return [Record(round(time * 1e9), port, data) for time, data in packets]
