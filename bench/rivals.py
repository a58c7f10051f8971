"""Rivals: the alternative programs, each started as a pair that seals and opens.

What lives here: one small class for each: command lines, and how to install it. What must not: rates, rounds, tables.
A receive buffer has 4 MiB if a program allows the choice, like Zegel's.
"""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bench.compiler import built
from bench.relay import Peer, Ports, Relay, free_ports, pair
from bench.wireguard import WireGuard
from bench.workspace import Scene
from gateway.demo.stage import HOST
from gateway.endpoints.endpoint import BUFFER

SSRC = 0x5A45474C  # in the form of bench/c/load.c
PASSPHRASE = "a-passphrase-for-the-bench-only"  # noqa: S105 - it protects nothing
LASTS = datetime.timedelta(days=1)  # the certificate of the DTLS peer


class OneByOne:
    """C with OpenSSL: one recv, one AES-256-GCM, one send each."""

    key, name, install = "c1", "C one by one", "apt install gcc libc6-dev libssl-dev"

    def start(self, scene: Scene) -> Relay:
        program, ports = built("one_by_one", ("crypto",), "libssl-dev"), Ports(*free_ports(3))
        return pair(
            scene, self, ports, (program, "open", ports.link, ports.leave), (program, "seal", ports.enter, ports.link)
        )


class Batched:
    """C with OpenSSL: recvmmsg, AES-256-GCM, one send for each run of one size. The lower bound; `gro` as in Zegel."""

    install = OneByOne.install

    def __init__(self, gro: bool) -> None:
        self._more = ("gro",) if gro else ()
        self.key, self.name = ("floor", "C batched + GRO") if gro else ("batched", "C batched")

    def start(self, scene: Scene) -> Relay:
        program, ports = built("batched", ("crypto",), "libssl-dev"), Ports(*free_ports(3))
        return pair(
            scene,
            self,
            ports,
            (program, "open", ports.link, ports.leave, *self._more),
            (program, "seal", ports.enter, ports.link),
        )


class Srt:
    """srt-live-transmit: AES-256-CTR, lost packets sent again, delivery delayed by `latency` ms."""

    key, name, install = "srt", "srt-live-transmit", "apt install srt-tools"

    def start(self, scene: Scene) -> Relay:
        ports = Ports(*free_ports(3))
        words = ("srt-live-transmit", "-quiet", "-loglevel:error")
        options = f"passphrase={PASSPHRASE}&pbkeylen=32&latency=20"
        opens = (*words, f"srt://{HOST}:{ports.link}?mode=listener&{options}", f"udp://{HOST}:{ports.leave}")
        seals = (*words, f"udp://{HOST}:{ports.enter}?rcvbuf={BUFFER}", f"srt://{HOST}:{ports.link}?mode=caller&{options}")
        return pair(scene, self, ports, opens, seals)


class Srtp:
    """GStreamer's srtpenc and srtpdec (libsrtp): AES-256-GCM."""

    key, name = "srtp", "SRTP (GStreamer)"
    install = "apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"

    def start(self, scene: Scene) -> Relay:
        ports, key = Ports(*free_ports(3)), "5a" * 44  # 32 bytes of key and 12 of salt
        source = ("gst-launch-1.0", "-q", "udpsrc", f"address={HOST}", f"buffer-size={BUFFER}")
        stream = f"media=video,clock-rate=90000,payload=96,ssrc=(uint){SSRC}"
        cipher = ("rtp-cipher=aes-256-gcm", "rtp-auth=null", "rtcp-cipher=aes-256-gcm", "rtcp-auth=null")
        sealed = ",".join(("application/x-srtp", stream, f"srtp-key=(buffer){key}", *(f"s{word}" for word in cipher)))
        sink = ("!", "udpsink", f"host={HOST}", "sync=false", "async=false")
        opens = (*source, f"port={ports.link}", f"caps={sealed}", "!", "srtpdec", *sink, f"port={ports.leave}")
        plain = f"caps=application/x-rtp,{stream}"
        seals = (*source, f"port={ports.enter}", plain, "!", "srtpenc", f"key={key}", *cipher, *sink, f"port={ports.link}")
        return pair(scene, self, ports, opens, seals)


class Dtls:
    """socat with OpenSSL's DTLS 1.2: AES-256-GCM, one datagram a record."""

    key, name, install = "dtls", "DTLS (socat)", "apt install socat"

    def start(self, scene: Scene) -> Relay:
        ports, own = Ports(*free_ports(3)), _certificate(scene.folder / "dtls.pem")
        words, link = ("socat", "-u"), f"{HOST}:{ports.link},cipher=ECDHE-ECDSA-AES256-GCM-SHA384,verify=0,rcvbuf={BUFFER}"
        opens = (
            *words,
            f"OPENSSL-DTLS-SERVER:{link.partition(':')[2]},bind={HOST},cert={own}",
            f"UDP4-SENDTO:{HOST}:{ports.leave}",
        )
        seals = (
            *words,
            f"UDP4-RECV:{ports.enter},bind={HOST},rcvbuf={BUFFER}",
            f"OPENSSL-DTLS-CLIENT:{link},retry=50,interval=0.1",
        )
        return pair(scene, self, ports, opens, seals)


def _certificate(path: Path) -> Path:
    """A self-signed certificate and its key; neither end checks the other's."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + LASTS)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(*form) + made.sign(key, hashes.SHA256()).public_bytes(form[0]))
    return path


RIVALS: tuple[Peer, ...] = (OneByOne(), Batched(gro=False), Batched(gro=True), Srt(), Srtp(), WireGuard(), Dtls())
