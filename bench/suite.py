"""Suite: the measurements that `zegel bench` runs without a name, in this order.

What lives here: which these are. What must not: `pi`, which runs them all itself, and what writes files (report, tune).
"""

from __future__ import annotations

from typing import Protocol

from bench.measures import batching, cipher, latency, link, mavlink, peers
from bench.result import Options, Progress, Result


class Measurement(Protocol):
    """A module of bench.measures. The first line of its docstring is its summary (bench.show).

    What its `arguments(parser)` adds, if it has one, is in `options.args`. Its `require(args)`, if it has one, is asked
    before anything is measured.
    """

    def measure(self, options: Options, progress: Progress, /) -> Result: ...


ALL: dict[str, Measurement] = {
    "cipher": cipher,
    "batching": batching,
    "link": link,
    "latency": latency,
    "mavlink": mavlink,
    "peers": peers,
}


def measure(options: Options, progress: Progress) -> list[Result]:
    return [measurement.measure(options, progress) for measurement in ALL.values()]
