"""Originals: the pcaps of an export, written by the process that has the key. It reads records, and no media.

What lives here: one pcap for each lane, and where it begins, which a program without the key finds out.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import msgspec

from gateway.errors import GatewayError
from gateway.recording import pcap
from gateway.recording.export import pcap_file, plan, rights
from gateway.recording.export.plan import PART, Lead, Original
from gateway.recording.opened import FOR_EVER_NS
from gateway.recording.pcap import Record
from keys.commands import account

SECOND_NS = 1_000_000_000
LEADS_NS = (10 * SECOND_NS, 120 * SECOND_NS)  # how far back a key picture is looked for, before the whole recording is
SETS_WITHIN_NS = 30 * SECOND_NS  # an encoder that sends its parameter sets once does it at its beginning

Records = Callable[[int, int], Iterable[Record]]  # of one lane, from a time on, and before another


def started(name: str, *words: str, stdin: int = subprocess.PIPE, keeps: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """One of the programs of this folder that have no key: with the rights of the caller, and no settings for Python.

    `keeps`: handles that it keeps open.
    """
    program = [sys.executable, "-I", "-m", f"gateway.recording.export.{name}", rights.word(*account.invoker()), *words]
    return subprocess.Popen(program, stdin=stdin, stdout=subprocess.PIPE, pass_fds=keeps)  # noqa: S603 - ours


def write(folder: Path, lane: str, records: Iterable[Record], progress: Callable[[int], None]) -> Original:
    """The pcap of a lane, as a file of the caller. `progress` gets the bytes of each record. OSError: a full disk."""
    original, path, person = Original(), folder / f"{lane}.pcap", account.invoker()
    part = path.with_name(path.name + PART)
    with person.acting():
        opened = plan.create(part)
    with opened as file:
        file.write(pcap.FILE_HEADER)
        for record in records:
            data = pcap_file.encode(record)
            file.write(data)
            progress(len(data))
            original.records += 1
            original.from_ns = record.time_ns if original.from_ns is None else original.from_ns
            original.to_ns = record.time_ns
        file.flush()
        os.fsync(file.fileno())
    with person.acting():
        part.replace(path)
    return original


def before(records: Records, from_ns: int) -> Lead:
    """For a video that is shown from `from_ns` on: the key picture with which it has to begin, and its parameter sets."""
    for back in (*LEADS_NS, from_ns):
        lead = ask(records(max(0, from_ns - back), from_ns + 1))
        if lead.key_ns is not None or back >= from_ns:
            break
    return lead if lead.sets else Lead(lead.key_ns, ask(_beginning(records)).sets)


def _beginning(records: Records) -> Iterator[Record]:
    first = next(iter(records(0, FOR_EVER_NS)), None)
    until = 0 if first is None else first.time_ns + SETS_WITHIN_NS
    return takewhile(lambda record: record.time_ns < until, records(0, FOR_EVER_NS))


def ask(records: Iterable[Record]) -> Lead:
    """What the program without a key finds in these."""
    with started("lead") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for record in records:
                process.stdin.write(pcap_file.encode(record))
            process.stdin.close()
            return msgspec.json.decode(process.stdout.read(), type=Lead)
        except (BrokenPipeError, msgspec.DecodeError):
            process.kill()
            with contextlib.suppress(BrokenPipeError):  # what is left in the buffer finds no one
                process.stdin.close()
            raise GatewayError("the program that looks for key pictures ended", hint="tell us what it wrote") from None
