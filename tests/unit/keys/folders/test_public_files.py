"""Certificates and stations' files that a folder holds, by what is in them."""

from __future__ import annotations

from keys import certificate
from keys.folders import public_files
from tests.agency import NOW, harbour, p256


def test_hidden_files_and_names_that_cannot_be_shown_are_left_out(tmp_path):
    request = certificate.make_request("drone-7", p256())
    issued = certificate.pem(certificate.certify_device(harbour().issuer, request, NOW))
    for name in (".hidden.crt", "bell\a.crt", ".old/drone.crt", "deeper/drone.crt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(issued)
    assert [*public_files.devices(tmp_path)] == [tmp_path / "deeper/drone.crt"]
