"""The agency roots that a folder trusts: their certificates, one after the other, in roots.crt."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from keys import certificate, store
from keys.errors import WrongFile

NAME = "roots.crt"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def read(folder: Path) -> list[x509.Certificate]:
    """In the order in which they were added; WrongFile if there is none. Who can change this file decides who is obeyed."""
    found = _CERTIFICATE.findall(store.read_secret(folder / NAME))
    if not found:
        raise WrongFile(f"{folder / NAME} holds no certificate", hint="restore it from its copy, or make the folder anew")
    return [certificate.load_certificate(each) for each in found]


def write(folder: Path, roots: Iterable[x509.Certificate]) -> None:
    """WrongUsage if one of them is no agency root."""
    pinned = list(roots)
    for root in pinned:
        certificate.require_root(root)
    store.write(folder / NAME, b"".join(map(certificate.pem, pinned)))
