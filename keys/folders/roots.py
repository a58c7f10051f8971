"""Agency roots: the certificate of an agency, or the two of a hybrid one, in its file and in folders that trust it.

root.crt    of one agency: a P-384 certificate, and for a hybrid agency an ML-DSA-65 one of the same name after it
roots.crt   in the folder of a device or a station: those of every agency that it trusts
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from keys import certificate
from keys.certificate import Roots, name_of
from keys.cose import Alg
from keys.errors import CertificateError, WrongFile, WrongUsage
from keys.folders import files, store
from keys.folders.files import Kind

NAME = "roots.crt"
_BEGIN = b"-----BEGIN CERTIFICATE-----"
_KINDS = ([Alg.ESP384], [Alg.ESP384, Alg.ML_DSA_65])


def certificates(data: bytes) -> list[x509.Certificate]:
    """The certificates that follow one another in a file, as PEM; none if there is none. CertificateError."""
    return [certificate.load_certificate(_BEGIN + each) for each in data.split(_BEGIN)[1:]]


def of_agency(path: Path) -> Roots:
    """The roots in an agency's root.crt. WrongFile, CertificateError, WrongUsage if they are not those of one agency."""
    return require_agency(certificates(files.read(Kind.CERTIFICATE, path)), path)


def require_agency(found: Sequence[x509.Certificate], name: object) -> Roots:
    """WrongUsage unless these are the one root, or the two, of one agency."""
    for root in found:
        certificate.require_root(root)
    if len({name_of(root) for root in found}) > 1 or [certificate.alg_of(root) for root in found] not in _KINDS:
        raise WrongUsage(
            f"{name} does not hold the roots of one agency",
            hint="a root.crt has one P-384 certificate, and for a hybrid agency an ML-DSA-65 one after it: fetch it again",
        )
    return tuple(found)


def read(folder: Path) -> list[x509.Certificate]:
    """In the order in which they were added; WrongFile if there is none. This file decides which agencies are trusted."""
    hint = "restore it from its copy, or make the folder again"
    try:
        found = certificates(store.read_secret(folder / NAME))
    except CertificateError as error:  # with one root less, it would accept orders with fewer signatures
        raise WrongFile(f"{folder / NAME} is damaged: {error}", hint=hint) from None
    if not found:
        raise WrongFile(f"{folder / NAME} holds no certificate", hint=hint)
    return found


def write(folder: Path, pinned: Sequence[x509.Certificate]) -> None:
    """WrongUsage if one is not an agency root, or if two agencies have one name: orders identify agencies by name."""
    kinds = set()
    for root in pinned:
        certificate.require_root(root)
        kinds.add((name_of(root), certificate.alg_of(root)))
    if len(kinds) < len(pinned):
        raise WrongUsage(
            f"{folder} would trust two agencies of one name",
            hint="an agency with a new root key is another agency: make a new folder with its root.crt",
        )
    store.write(folder / NAME, b"".join(map(certificate.pem, pinned)))
