"""The names of files: made, and recognised."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.recording import paths

ID = bytes(range(16))


def test_the_names_are_those_of_the_specification():
    session = paths.session(Path("/card"), ID)
    recording = paths.recording(session, ID)
    assert str(paths.segment(recording, 7)) == f"/card/session-{ID.hex()}/rec-{ID.hex()}/00000007.cbl"
    assert paths.session_id(session.name) == paths.rec_id(recording.name) == ID
    assert [paths.index(paths.segment(recording, place).name) for place in (0, 7, 10**8)] == [0, 7, 10**8]


@pytest.mark.parametrize("name", ["", "00000007.cbl.tmp", "7.cbl", "000000007.cbl", "-0000007.cbl", "lost+found"])
def test_another_file_is_none_of_ours(name):
    assert paths.index(name) is paths.session_id(name) is paths.rec_id(f"rec-{name}") is None
