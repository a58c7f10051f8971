"""A record of a recording, as bytes: SPEC.md section 8."""

from __future__ import annotations

import struct

import pytest

from gateway.recording import pcap
from gateway.recording.group import Port
from gateway.recording.pcap import Malformed, Record

RECORDS = [
    Record(1_500_000_007, Port.TELEMETRY, b"\xfd" + bytes(11)),
    Record(2_000_000_000, Port.VIDEO_A, bytes(range(256)) * 5),
    Record(2_000_000_000, Port.EVENT, b""),
]


def written(records: list[Record]) -> bytes:
    return b"".join(pcap.head(time_ns, port, len(content)) + content for time_ns, port, content in records)


def test_a_record_as_bytes():
    assert struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 0xFFFF, 228) == pcap.FILE_HEADER
    assert (
        pcap.head(1_500_000_007, 14550, 2).hex()
        == "01000000" + "0765cd1d" + "1e000000" * 2 + "4500001e000040004011b6cb" + "c0000201c0000202" + "38d638d6000a0000"
    )


@pytest.mark.parametrize("total", [28, 1500, 65_535])
def test_the_sum_over_the_words_of_the_header_is_all_ones(total):
    words = struct.unpack("!10H", pcap.head(0, 1, total - 28)[16:36])
    folded = sum(words)
    while folded >> 16:
        folded = (folded & 0xFFFF) + (folded >> 16)
    assert folded == 0xFFFF


def test_what_was_written_is_read():
    assert list(pcap.read(pcap.FILE_HEADER + written(RECORDS), len(pcap.FILE_HEADER))) == RECORDS


def test_cut_at_each_byte_the_whole_records_are_read():
    data = written(RECORDS)
    ends = [len(written(RECORDS[:count])) for count in range(len(RECORDS) + 1)]
    for size in range(len(data)):
        assert list(pcap.read(data[:size])) == RECORDS[: sum(end <= size for end in ends) - 1]


def test_another_byte_in_a_header_is_refused_or_another_time_or_port():
    data = written(RECORDS[:1])
    for at in range(pcap.OVERHEAD):
        changed = bytearray(data)
        changed[at] ^= 1
        try:
            found = list(pcap.read(changed))
        except Malformed:
            continue
        assert at < 8 or found == [], at
