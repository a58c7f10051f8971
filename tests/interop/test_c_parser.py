"""The framer on a noisy line, beside MAVLink's C parser and pymavlink's."""

from __future__ import annotations

from collections.abc import Sequence

from pymavlink.dialects.v20 import all as dialect

from firmware_shims.mavlink import Framer
from tests.interop import c_parser

FRAMES, READ = 2000, 512


def framed(line: bytes) -> list[bytes]:
    framer = Framer()
    frames = [frame for at in range(0, len(line), READ) for frame in framer.feed(line[at : at + READ])]
    return frames + framer.end_of_burst()


def by_pymavlink(line: bytes) -> list[bytes]:
    parser = dialect.MAVLink(None)
    parser.robust_parsing = True
    return [bytes(message.get_msgbuf()) for message in parser.parse_buffer(line)]


def genuine(frames: Sequence[bytes], sent: Sequence[bytes]) -> int:
    return len({*frames} & {*sent})


def test_of_a_noisy_line_no_parser_gets_more(tmp_path, figure):
    sent, line = c_parser.noisy(17, FRAMES)
    frames = framed(line)
    ours, c, python = (genuine(found, sent) for found in (frames, c_parser.parsed(line, tmp_path), by_pymavlink(line)))
    figure(f"noise, payloads of start bytes: of {FRAMES} frames {ours}; MAVLink's C parser {c}, pymavlink's {python}")
    assert ours >= max(c, python)
    assert ours >= 0.99 * FRAMES
    assert len(frames) - ours <= 0.01 * FRAMES


def test_the_c_parser_gets_all_of_a_line_without_noise(tmp_path):
    """So it is the parser that it is said to be."""
    sent, _ = c_parser.noisy(18, 100)
    assert c_parser.parsed(b"".join(sent), tmp_path) == framed(b"".join(sent)) == sent
