"""A private key with a passphrase is refused, and nothing asks for it at a terminal."""

from __future__ import annotations

import ssl

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from gateway.errors import ConfigError
from gateway.share import certificates


def test_a_key_with_a_passphrase_is_refused_in_words(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"passphrase"))
    (tmp_path / "key.pem").write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(ConfigError, match="^rtsp: .*key.pem"):
        certificates.load_own(context, str(tmp_path / "key.pem"), str(tmp_path / "key.pem"), "rtsp: ")
