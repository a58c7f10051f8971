"""Lead: where a video has to begin so that a player can show it from a given time on. Without keys, like `derive`.

    python -m gateway.recording.export.lead RIGHTS < RECORDS

It reads the records that precede that time, and writes what it found as one line of JSON (`plan.Lead`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import chain, islice

import msgspec

from gateway.recording.export import pcap_file, rights
from gateway.recording.export.plan import Lead
from gateway.recording.export.video import PROBED
from gateway.recording.pcap import Record
from gateway.video.parameter_sets import ParameterSets
from gateway.video.recognise import Content, recognise
from gateway.video.stream_pictures import StreamPictures


def find(records: Iterable[Record]) -> Lead:
    left = iter(records)
    first = list(islice(left, PROBED))
    form = recognise(record.content for record in first)
    if form.content is Content.UNKNOWN:
        return Lead()
    reader, key_ns, sets = StreamPictures(form), None, None
    for record in chain(first, left, (None,)):
        for picture in reader.feed(record.content, record.time_ns) if record else reader.flush():
            sets = sets or ParameterSets(picture.unit.codec)
            if picture.unit.codec == sets.codec:
                sets.learn(picture.unit.nals)
                key_ns = picture.arrived_ns if picture.unit.key else key_ns
    return Lead(key_ns, sets.newest() if sets else [])


def main() -> int:
    rights.give_up(sys.argv[1])
    sys.stdout.buffer.write(msgspec.json.encode(find(pcap_file.read(sys.stdin.buffer))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
