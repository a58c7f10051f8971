"""Camera: the datagrams at the video ports, and whether they fit the link when sealed."""

from __future__ import annotations

import contextlib
import enum
import select
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gateway import config
from gateway.board import holder
from gateway.board.finding import Finding, do, ok, unknown
from gateway.board.holder import Holder
from gateway.board.subject import Subject
from gateway.config import AirConfig
from gateway.core.wire import DOWNLINK_OVERHEAD
from gateway.endpoints.address import Address
from gateway.endpoints.mmsg import DATAGRAM_MAX
from gateway.report.alarms import Reason, live_text
from gateway.report.role_status import Use

LISTEN_S = 2.5  # enough for some key frames of any encoder, whose datagrams are full
MOST = 5000  # datagrams inspected
RTP_HEADER, RTP_VERSION = 12, 2  # RFC 3550 section 5.1
EVEN_PORTS = "5602 or 5606"
RTCP_TYPES = range(192, 224)  # values at the position of a payload type: RFC 5761 section 4
TS_PACKET, TS_SYNC = 188, 0x47
MAVLINK = b"\xfd\xfe"
START_CODE = b"\0\0\1"

SMALLER = "pkt_size=1200 (ffmpeg -f rtp 'rtp://127.0.0.1:{port}?pkt_size=1200'), mtu=1200 (GStreamer rtph264pay mtu=1200)"
SMALLER_TS = "pkt_size=1128 (ffmpeg -f mpegts 'udp://127.0.0.1:{port}?pkt_size=1128'), alignment=6 (GStreamer mpegtsmux)"


class Kind(enum.Enum):
    """What a datagram is."""

    NONE = enum.auto()  # none came
    RTP = enum.auto()
    RTCP = enum.auto()
    MPEG_TS = enum.auto()
    MAVLINK = enum.auto()
    OTHER = enum.auto()


class Stream(NamedTuple):
    """What most datagrams of a port are, and the same for a person."""

    kind: Kind
    text: str


def look(subject: Subject) -> Iterator[Finding]:
    """Each video port aboard."""
    settings = subject.air
    if settings is None:
        return
    addresses = [config.endpoint(text) for text in settings.video]
    if subject.running:
        yield from _from_status(subject, settings)
        return
    came, taken = listen(addresses, LISTEN_S)
    for address in addresses:
        if others := taken.get(address):
            choice = "name another port in video (an encoder sends to this port and does not listen there)"
            yield holder.taken("camera", address, others, subject, choice)
        else:
            yield _judged(address, came[address], settings, heard_one=any(came.values()))


def listen(addresses: Sequence[Address], seconds: float) -> tuple[dict[Address, list[bytes]], dict[Address, list[Holder]]]:
    """(datagrams at each port; the holders of the ports that are in use)."""
    came: dict[Address, list[bytes]] = {address: [] for address in addresses}
    taken: dict[Address, list[Holder]] = {}
    with contextlib.ExitStack() as stack:
        sockets = {}
        for address in addresses:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            made = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
            try:
                made.bind((address.host, address.port))
            except OSError as error:
                taken[address] = holder.of_port(address.port) or [Holder(0, str(error.strerror))]
            else:
                sockets[made] = came[address]
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and sockets:
            for made in select.select(list(sockets), (), (), left)[0]:
                datagram = made.recv(DATAGRAM_MAX)
                if len(sockets[made]) < MOST:
                    sockets[made].append(datagram)
    return came, taken


def _from_status(subject: Subject, settings: AirConfig) -> Iterator[Finding]:
    assert subject.running
    for end in subject.running.of_use(Use.CAMERA):
        text = f"zegel air has {end.endpoint}: {end.rx_per_s:g} datagrams/s, {end.rx_kbit:g} kbit/s"
        yield ok("camera", text) if end.rx_per_s else unknown("camera", f"{text}; fine without a camera there")
    if oversize := live_text(subject.running, Reason.VIDEO_OVERSIZE):
        yield do("camera", oversize, SMALLER.format(port=config.endpoint(settings.video[0]).port))


def _judged(address: Address, came: list[bytes], settings: AirConfig, *, heard_one: bool) -> Finding:
    kind, text = _stream(came)
    if kind in {Kind.NONE, Kind.RTCP}:
        return _silent(address, kind, settings, heard_one=heard_one)
    largest, limit = max(map(len, came)), settings.mtu - DOWNLINK_OVERHEAD
    seen = f"{text} comes to {address}, datagrams of up to {largest} bytes"
    if largest > limit:
        smaller = (SMALLER_TS if kind is Kind.MPEG_TS else SMALLER).format(port=address.port)
        text = f"{seen}: sealed, the link of {settings.mtu} carries {limit}, and larger ones are dropped"
        return do("camera", text, f"set at the encoder {smaller}")
    if kind in {Kind.RTP, Kind.MPEG_TS}:
        return ok("camera", f"{seen}; {limit} fit")
    if kind is Kind.MAVLINK:
        return do("camera", seen, f"this is the camera's port: let the flight controller's router send to {settings.fc}")
    return do(
        "camera",
        f"{seen}: no player can show it",
        f"send RTP: ffmpeg -f rtp 'rtp://127.0.0.1:{address.port}?pkt_size=1200', or rtph264pay before udpsink",
    )


def _silent(address: Address, kind: Kind, settings: AirConfig, *, heard_one: bool) -> Finding:
    """An encoder sends the reports on its RTP to the port above (RFC 3550 section 11), which is no place for a camera."""
    seen = f"no video comes to {address} in {LISTEN_S:g} s"
    if kind is Kind.RTCP:
        return do(
            "camera",
            f"{seen}, only reports (RTCP) on the stream to port {address.port - 1}",
            f"give this camera an even port of its own, {EVEN_PORTS}; for a missing camera remove the port from video",
        )
    if heard_one and settings.video == AirConfig(device="", link=()).video:
        return ok("camera", f"{seen}: correct with one camera")
    return do("camera", seen, "start the encoder; for a missing camera remove the port from video; without any: video = []")


def _stream(came: list[bytes]) -> Stream:
    counts = Counter(map(_one, came))
    return max(sorted(counts, key=lambda stream: stream.text), key=counts.__getitem__, default=Stream(Kind.NONE, ""))


def _one(datagram: bytes) -> Stream:
    size = len(datagram)
    if size and size % TS_PACKET == 0 and set(datagram[::TS_PACKET]) == {TS_SYNC}:
        return Stream(Kind.MPEG_TS, "MPEG-TS")
    if START_CODE in datagram[:4]:
        return Stream(Kind.OTHER, "H.264 or H.265 without RTP")
    if datagram[:1] and datagram[0] in MAVLINK:
        return Stream(Kind.MAVLINK, "MAVLink")
    if size >= RTP_HEADER and datagram[0] >> 6 == RTP_VERSION:
        rtp = Stream(Kind.RTP, f"RTP (payload type {datagram[1] & 0x7F})")
        return Stream(Kind.RTCP, "RTCP") if datagram[1] in RTCP_TYPES else rtp
    return Stream(Kind.OTHER, f"data that begins with {datagram[:4].hex(' ')}")
