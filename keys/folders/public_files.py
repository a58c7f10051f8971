"""Public files: certificates of aircraft, public files of stations and recording keys, in a folder or one below it.

What lives here: finding them. What must not: their content, or whether it is authentic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from keys import certificate
from keys.certificate import Usage
from keys.errors import KeysError
from keys.folders import files, recording_public, station_public, store
from keys.folders.files import Kind
from keys.folders.recording_public import RecordingPublic
from keys.folders.station_public import StationPublic

Unfit = dict[Path, KeysError]  # files that begin like one and are none
Public = TypeVar("Public", StationPublic, RecordingPublic)


def stations(folder: Path) -> tuple[dict[Path, StationPublic], Unfit]:
    """Each key once, at the first of its files in order of name."""
    return _publics(Kind.STATION, station_public.parse, folder)


def recording_keys(folder: Path) -> tuple[dict[Path, RecordingPublic], Unfit]:
    """Each key once, at the first of its files in order of name."""
    return _publics(Kind.RECORDING, recording_public.parse, folder)


def _publics(kind: Kind, parse: Callable[[bytes, object], Public], folder: Path) -> tuple[dict[Path, Public], Unfit]:
    found: dict[Path, Public] = {}
    unfit: Unfit = {}
    for path, data in _of_kind(kind, folder):
        try:
            public = parse(data, path)
        except KeysError as error:
            unfit[path] = error
        else:
            if public.pub not in [known.pub for known in found.values()]:
                found[path] = public
    return found, unfit


def devices(folder: Path) -> dict[Path, x509.Certificate]:
    """Each key once; roots and signers are passed over, and what is no certificate."""
    found: dict[Path, x509.Certificate] = {}
    for path, data in _of_kind(Kind.CERTIFICATE, folder):
        try:
            issued = certificate.load_certificate(data)
            certificate.require_usage(issued, Usage.DEVICE)
            key = certificate.fingerprint(issued)
        except KeysError:
            continue
        if key not in map(certificate.fingerprint, found.values()):
            found[path] = issued
    return found


def _of_kind(kind: Kind, folder: Path) -> Iterator[tuple[Path, bytes]]:
    """What is here comes before what is a folder deeper; what may not be read is not ours to list."""
    if not folder.is_dir():
        store.check_folder(folder)
    for pattern in ("*", "*/*"):
        for path in sorted(folder.glob(pattern)):
            if any(part.startswith(".") for part in path.relative_to(folder).parts) or not str(path).isprintable():
                continue
            try:
                data = files.begins_like(kind, path)
            except OSError:
                continue
            if data is not None:
                yield path, data
