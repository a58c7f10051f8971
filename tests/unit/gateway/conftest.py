"""The libraries, or why these tests are skipped."""

from __future__ import annotations

import ctypes

import pytest

from gateway.native.library import Library, Unavailable
from gateway.native.structures import Open, Seal


def library(name: str, turn: type[ctypes.Structure]) -> Library:
    try:
        return Library(name, turn)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def sealing() -> Library:
    return library("seal", Seal)


@pytest.fixture(scope="session")
def opening() -> Library:
    return library("open", Open)
