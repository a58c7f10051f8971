"""RTSP transport: the ways that a reader proposes for the packets (RFC 2326 section 12.39), and the one that it gets.

What lives here: UDP to the reader's own ports, or packets within the connection. What must not: an address. Packets go only
to the one that the connection comes from, whatever `destination` asks for, or the server could be made to flood a stranger.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROPOSALS_MAX = 16
_PAIR = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?", re.ASCII)
_PORTS = range(1024, 65_535)
_CHANNELS = range(255)
_UDP, _TCP = ("RTP/AVP", "RTP/AVP/UDP"), "RTP/AVP/TCP"


@dataclass(frozen=True, slots=True)
class Transport:
    """Two ports of the reader, or two channels within the connection: for RTP and for RTCP."""

    interleaved: bool
    rtp: int
    rtcp: int

    def header(self, server_ports: tuple[int, int], ssrc: int) -> str:
        """What SETUP answers."""
        if self.interleaved:
            return f"{_TCP};unicast;interleaved={self.rtp}-{self.rtcp};ssrc={ssrc:08X}"
        first, second = server_ports
        return f"{_UDP[0]};unicast;client_port={self.rtp}-{self.rtcp};server_port={first}-{second};ssrc={ssrc:08X}"


def chosen(header: str, *, udp: bool) -> Transport | None:
    """The first proposal that is possible; without `udp` only those within the connection."""
    for proposal in header.split(",")[:PROPOSALS_MAX]:
        if (found := _read(proposal)) is not None and (udp or found.interleaved):
            return found
    return None


def _read(proposal: str) -> Transport | None:
    profile, *rest = (part.strip() for part in proposal.split(";"))
    options = {name.strip().lower(): value.strip(' "') for name, _, value in (part.partition("=") for part in rest)}
    if "multicast" in options or options.get("mode", "play").lower() != "play":
        return None
    if profile.upper() == _TCP:
        return _pair(options.get("interleaved", "0-1"), _CHANNELS, interleaved=True)
    if profile.upper() in _UDP:
        return _pair(options.get("client_port", ""), _PORTS, interleaved=False)
    return None


def _pair(text: str, allowed: range, *, interleaved: bool) -> Transport | None:
    pair = _PAIR.fullmatch(text)
    if pair is None:
        return None
    first = int(pair[1])
    second = int(pair[2]) if pair[2] else first + 1
    if first not in allowed or second not in range(allowed.start, allowed.stop + 1) or first == second:
        return None
    return Transport(interleaved, first, second)
