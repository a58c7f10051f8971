"""The libraries, or why these tests are skipped."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from gateway.native.library import FOLDERS, Library, Unavailable
from gateway.native.structures import Open, Seal

SANITIZED = "ZEGEL_SANITIZED"  # in the environment: the folder of libraries that check each access


def library(name: str, turn: type[ctypes.Structure]) -> Library:
    folder = os.environ.get(SANITIZED)
    try:
        return Library(name, turn, (Path(folder),) if folder else FOLDERS)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def sealing() -> Library:
    return library("seal", Seal)


@pytest.fixture(scope="session")
def opening() -> Library:
    return library("open", Open)
