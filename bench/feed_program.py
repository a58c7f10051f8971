"""Feed program: reads all topics of a feed, as a console or a share does. `python -m`, with the address."""

from __future__ import annotations

import sys

from gateway.endpoints.feed_reader import subscribe


def main(address: str) -> None:
    for _ in subscribe(address):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
