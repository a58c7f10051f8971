"""Suite: the measurements that `zegel bench` runs without a name, in this order.

What lives here: the list. What must not: `pi`, which runs them all itself, and those that write files (report, tune).
"""

from __future__ import annotations

from typing import Protocol

from bench.measures import batching, cipher, feed, latency, link, mavlink, peers, recording
from bench.result import Options, Progress, Result


class Measurement(Protocol):
    """A module of bench.measures. The first line of its docstring is its summary (bench.show).

    Its `arguments(parser)`, if it has one, adds to `options.args`. Its `require(args)`, if it has one, is called before
    anything is measured.
    """

    def measure(self, options: Options, progress: Progress, /) -> Result: ...


ALL: dict[str, Measurement] = {
    "cipher": cipher,
    "batching": batching,
    "link": link,
    "latency": latency,
    "mavlink": mavlink,
    "feed": feed,
    "peers": peers,
    "recording": recording,
}


def measure(options: Options, progress: Progress) -> list[Result]:
    return [measurement.measure(options, progress) for measurement in ALL.values()]
