"""Certificates: how an output of share.toml loads its own."""

from __future__ import annotations

import ssl

from gateway.errors import ConfigError


def load_own(context: ssl.SSLContext, certificate: str, private_key: str, where: str) -> None:
    """Both are paths of PEM files. ConfigError, which begins with `where`."""
    try:
        context.load_cert_chain(certificate, private_key, password=lambda: "")  # else it asks a terminal
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{where}{certificate} with {private_key}: {error.strerror or error}",
            hint="both are PEM files, the key is that of the certificate, and has no passphrase",
        ) from None
