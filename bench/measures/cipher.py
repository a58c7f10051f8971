"""Cipher: AES-256-GCM against the size of a message, compared with `openssl speed`, with AES instructions and without.

A Raspberry Pi 4 or Zero 2 W has none: a child process runs with a mask that hides them.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NamedTuple

from cryptography.hazmat.backends.openssl import backend

from bench import openssl
from bench.aead import WAYS, Child
from bench.clock import medians
from bench.load import VIDEO_SIZE
from bench.result import Cell, Options, Plot, Progress, Result, Table
from bench.verdict import figure
from gateway.board import computer

LIMIT, IN_PLACE = "openssl speed", "in place"
WITH, WITHOUT = "with AES instructions", "without AES instructions"
MASKED_AT_LEAST = 1.5  # times slower than unmasked at the largest size; otherwise the mask had no effect


class Plan(NamedTuple):
    """How much is measured: sizes in bytes, rounds of ours and of openssl's, seconds of one measurement of ours."""

    sizes: tuple[int, ...]
    rounds: int
    openssl_rounds: int
    seconds: float


FULL = Plan((64, 256, 512, 1200, 1400, 4096, 16_384, 65_536, 262_144, 1 << 20), 7, 3, 0.05)
QUICK = Plan((64, 1200, 16_384, 1 << 20), 5, 1, 0.02)
OPENSSL_S = 1  # the minimum

Key = tuple[str, str, int]  # (with or without, way, size)


def measure(options: Options, progress: Progress) -> Result:
    plan = QUICK if options.quick else FULL
    kinds = processors()
    took = _ours(plan, kinds, progress)
    limit = _limit(plan, kinds, progress) if openssl.version() else {}
    largest = plan.sizes[-1]
    if WITHOUT in kinds and took[WITHOUT, IN_PLACE, largest] < MASKED_AT_LEAST * took[WITH, IN_PLACE, largest]:
        del kinds[WITHOUT]
    tables = [table for kind in kinds for table in tables_of(kind, plan.sizes, took | limit)]
    return Result("cipher", tuple(tables), _notes(kinds), verdict=_verdict(kinds, took))


def _verdict(kinds: Mapping[str, Mapping[str, str]], took: Mapping[Key, float]) -> str:
    """Of the size of a video datagram."""
    each = {kind: took.get((kind, IN_PLACE, VIDEO_SIZE)) for kind in kinds}
    clauses = [f"{figure(1e6 * seconds)} us {kind}" for kind, seconds in each.items() if seconds]
    return f"AES-256-GCM of {VIDEO_SIZE:,} bytes, called from Python, takes {', and '.join(clauses)}" if clauses else ""


def processors() -> dict[str, Mapping[str, str]]:
    """The assumed kind of processor, and the environment that makes OpenSSL assume it."""
    if not computer.has_aes():
        return {WITHOUT: {}}
    return {WITH: {}, **({WITHOUT: openssl.mask()} if openssl.mask() else {})}


def _ours(plan: Plan, kinds: Mapping[str, Mapping[str, str]], progress: Progress) -> dict[Key, float]:
    with ExitStack() as stack:
        children = {kind: stack.enter_context(Child(environment)) for kind, environment in kinds.items()}
        ways = {
            (kind, way, size): lambda child=child, way=way, size=size: child.seconds(way, size, plan.seconds)
            for size in plan.sizes
            for way in WAYS
            for kind, child in children.items()
        }
        return medians(ways, plan.rounds, progress, "cipher: Python")


def _limit(plan: Plan, kinds: Mapping[str, Mapping[str, str]], progress: Progress) -> dict[Key, float]:
    """CPU seconds a message; without sizes that openssl did not measure."""
    asked = [(kind, size) for _ in range(plan.openssl_rounds) for size in plan.sizes for kind in kinds]
    told: dict[Key, list[float]] = {}
    for number, (kind, size) in enumerate(asked):
        progress(number, len(asked), f"cipher: openssl, {size:,} bytes")
        if speed := openssl.bytes_per_second(size, OPENSSL_S, kinds[kind]):
            told.setdefault((kind, LIMIT, size), []).append(size / speed)
    return {key: statistics.median(values) for key, values in told.items()}


def tables_of(kind: str, sizes: tuple[int, ...], took: Mapping[Key, float]) -> tuple[Table, Table]:
    """`took` in CPU seconds a message, as nanoseconds and as megabytes (10^6) per second."""
    names = (*WAYS, LIMIT)

    def rows(scale: float, rate: bool) -> tuple[tuple[Cell, ...], ...]:
        found = [[took.get((kind, name, size)) for name in names] for size in sizes]
        return tuple(
            (size, *(cell and scale * (size / cell if rate else cell) for cell in row))
            for size, row in zip(sizes, found, strict=True)
        )

    ns, mb = tuple(f"{name} (ns)" for name in names), tuple(f"{name} (MB/s)" for name in names)
    return (
        Table(
            f"AES-256-GCM, {kind}: one message", ("bytes", *ns), rows(1e9, False), (), Plot("line", "bytes", ns, True, True)
        ),
        Table(f"AES-256-GCM, {kind}: rate", ("bytes", *mb), rows(1e-6, True), (), Plot("line", "bytes", mb, True, True)),
    )


def _notes(kinds: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    notes = [
        f"this processor has {'' if WITH in kinds else 'no '}AES instructions",
        f"CPU time, medians; Python: cryptography's own {backend.openssl_version_text()}, 24 bytes of additional data",
    ]
    if version := openssl.version():
        notes.append(f"{LIMIT}: {version}, the cipher alone: no call from Python, no additional data, no tag")
    else:
        notes.append(f"{LIMIT}: not installed; {openssl.INSTALL}")
    if kinds.get(WITHOUT):
        told = " ".join(f"{name}={value}" for name, value in kinds[WITHOUT].items())
        notes.append(f"{WITHOUT}: OpenSSL was told so ({told}), as a model of a Raspberry Pi 4 or Zero 2 W")
    elif WITH in kinds:
        notes.append(f"{WITHOUT}: not measured, OpenSSL has no mask for this processor or ignored it")
    return tuple(notes)
