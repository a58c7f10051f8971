"""Processes that publish whatever a test says."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import zmq

EVERY_S = 0.02


@contextlib.contextmanager
def published(folder: Path, *said: Mapping[str, Any]) -> Iterator[None]:
    """Each by a socket of its own in `folder`, until the end."""
    folder.mkdir(mode=0o700, exist_ok=True)
    over, context = threading.Event(), zmq.Context()
    sockets = [context.socket(zmq.PUB) for _ in said]
    for number, made in enumerate(sockets):
        made.bind(f"ipc://{folder / f'test-{number}.{os.getpid()}'}")

    def publish() -> None:
        while not over.wait(EVERY_S):
            for made, status in zip(sockets, said, strict=True):
                made.send(json.dumps(status).encode())

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        context.destroy(linger=0)
