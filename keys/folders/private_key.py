"""Private signing keys on disk: PKCS #8 (RFC 5958) as PEM, in files that only their user can read."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from keys import cose
from keys.errors import WrongFile
from keys.folders import files, store
from keys.folders.files import Kind


def write(path: Path, key: cose.PrivateKey) -> None:
    """Write the key; AlreadyExists if there is one, so that no key is overwritten."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    store.write(path, key.private_bytes(encoding, form, serialization.NoEncryption()), new=True)


def read(path: Path) -> cose.PrivateKey:
    """The key; MissingFile, WrongMode, or WrongFile if it is not a signing key of ours."""
    data = files.expect(Kind.PRIVATE_KEY, store.read_secret(path), path)
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, cose.PrivateKey):
        raise WrongFile(f"{path} holds no private key that can be read", hint="restore it from its copy")
    return key
