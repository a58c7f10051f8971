"""A TAK network of certificates for tests, and aircraft that are seen."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.endpoints.feed import Origin
from gateway.endpoints.feed_reader import Published
from gateway.share.sightings import Sightings
from tests.unit.gateway.report.statuses import ground
from tests.unit.gateway.view.test_aircraft import frame, heartbeat

PEM = serialization.Encoding.PEM


def position(**more: object) -> bytes:
    """10 m/s to the north-east, at 120.5 m above the sea and 80 m above home."""
    values = {"lat": 521234567, "lon": 43456789, "alt": 120_500, "relative_alt": 80_000, "vx": 707, "vy": 707, "hdg": 9000}
    return frame("global_position_int", **{**values, **more})


def looking(**more: object) -> tuple[bytes, bytes]:
    """A camera of 60 degrees, 30 to the right of the nose and 30 down."""
    camera = frame("camera_fov_status", **{"hfov": 60.0, "vfov": 40.0, "lat_image": 2**31 - 1, **more})
    return frame("mount_status", pointing_a=-3000, pointing_b=0, pointing_c=3000), camera


def told(frames: Sequence[bytes], time_us: int, device: str = "drone-7", vehicle: int = 2) -> Published:
    origin = Origin(device=device, systems=[1], session="a", lane="telemetry", time_us=time_us)
    return Published("telemetry", [heartbeat(type=vehicle), *frames], origin)


def sightings(*frames: bytes, time_us: int, agency: str = "Harbour Police", **more: object) -> Sightings:
    """Of one ground."""
    made = Sightings()
    made.take_status("pilot", ground(agency=agency))
    made.take("pilot", told(frames, time_us, **more))
    return made


class Signer:
    """Signs certificates in `folder`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        more = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = self._write(name, self._made(self._name, self._key, more))

    def give(self, name: str, days: int = 1) -> tuple[str, str]:
        """A certificate for `name` at 127.0.0.1, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))])
        certificate = self._write(name, self._made(_named(name), key, names, days))
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self.folder / f"{name}.key").write_bytes(private)
        return certificate, str(self.folder / f"{name}.key")

    def _made(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, more: x509.ExtensionType, days: int = 1
    ) -> x509.Certificate:
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        made = x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(now - 9 * day).not_valid_after(now + days * day).add_extension(more, critical=False)
        return made.sign(self._key, hashes.SHA256())

    def _write(self, name: str, made: x509.Certificate) -> str:
        (self.folder / f"{name}.crt").write_bytes(made.public_bytes(PEM))
        return str(self.folder / f"{name}.crt")


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
