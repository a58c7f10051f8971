"""Public files: the certificates of aircraft and the public files of stations that lie in a folder, or one below it.

What lives here: finding them. What must not: their content, or whether it is authentic.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from keys import certificate
from keys.certificate import Usage
from keys.errors import KeysError
from keys.folders import files, station_public, store
from keys.folders.files import Kind
from keys.folders.station_public import StationPublic

Unfit = dict[Path, KeysError]  # files that begin like one and are none


def stations(folder: Path) -> tuple[dict[Path, StationPublic], Unfit]:
    """Each key once, at the first of its files in order of name."""
    found: dict[Path, StationPublic] = {}
    unfit: Unfit = {}
    for path, data in _of_kind(Kind.STATION, folder):
        try:
            public = station_public.parse(data, path)
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
