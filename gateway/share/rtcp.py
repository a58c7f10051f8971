"""RTCP: what a sender reports to its readers: the time of its pictures, and how much it sent (RFC 3550 section 6).

What lives here: packets that are written. Those that readers send are only counted as a sign of life.
"""

from __future__ import annotations

import struct

NTP_BEGINS_US = 2_208_988_800 * 1_000_000  # from 1900 to 1970
_REPORT = struct.Struct(">BBHIQIII")  # V, P, RC; SR; length; SSRC; NTP time; RTP timestamp; packets; octets
_ITEMS = struct.Struct(">BBHIBB")  # V, P, SC; SDES; length; SSRC; CNAME; its length
_BYE = struct.Struct(">BBHI")
_VERSION, _ONE = 0x80, 1
_SR, _SDES, _BYE_TYPE, _CNAME = 200, 202, 203, 1
WORD = 4
TYPES = range(200, 205)  # the second byte of all of them


def sender_report(ssrc: int, time_us: int, timestamp: int, packets: int, octets: int) -> bytes:
    """`time_us`: Unix time of the picture that has this timestamp. With the name of the source, as a report must have."""
    fixed = _REPORT.pack(
        _VERSION, _SR, _REPORT.size // WORD - 1, ssrc, ntp(time_us), timestamp, packets % (1 << 32), octets % (1 << 32)
    )
    return fixed + _name(ssrc)


def goodbye(ssrc: int, time_us: int, timestamp: int, packets: int, octets: int) -> bytes:
    """The last report, and that the source has ended (section 6.6)."""
    bye = _BYE.pack(_VERSION | _ONE, _BYE_TYPE, _BYE.size // WORD - 1, ssrc)
    return sender_report(ssrc, time_us, timestamp, packets, octets) + bye


def ntp(time_us: int) -> int:
    """64 bits, of which the lower half is the fraction of a second (section 4)."""
    seconds, rest = divmod(time_us + NTP_BEGINS_US, 1_000_000)
    return (seconds % (1 << 32)) << 32 | (rest << 32) // 1_000_000


def _name(ssrc: int) -> bytes:
    """SDES with a CNAME, which ends with at least one zero (section 6.5)."""
    cname = b"zegel"
    size = _ITEMS.size + len(cname) + 1
    padding = -size % WORD
    head = _ITEMS.pack(_VERSION | _ONE, _SDES, (size + padding) // WORD - 1, ssrc, _CNAME, len(cname))
    return head + cname + bytes(1 + padding)
