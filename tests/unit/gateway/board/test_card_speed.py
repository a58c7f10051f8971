"""The measurement of a card leaves nothing behind, and says what cannot be written."""

from __future__ import annotations

import pytest

from gateway.board import card_speed
from gateway.board.card_speed import PIECE, PIECES_MAX
from tests.system.card import Card
from tests.unit.keys.disk import only_root


def test_it_writes_and_removes_what_it_wrote_and_what_a_killed_one_left(tmp_path):
    (tmp_path / ".doctor.abc.tmp").write_bytes(b"left")
    (tmp_path / "session-1").mkdir()
    speed = card_speed.measure(tmp_path)
    assert speed.longest_sync_s > 0
    assert speed.bytes_per_s > 0
    assert [path.name for path in tmp_path.iterdir()] == ["session-1"]


def test_it_ends_by_its_size_and_by_its_time(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(card_speed, "_write_all", lambda _, data: written.append(len(data)))
    card_speed.measure(tmp_path, 1e9)
    assert written == [PIECE] * PIECES_MAX
    written.clear()
    card_speed.measure(tmp_path, 1e-9)
    assert written == [PIECE]


@only_root
def test_a_full_card_is_an_error_and_keeps_nothing(tmp_path):
    (tmp_path / "card").mkdir()
    card = Card(tmp_path / "card")  # of 256 KiB: less than a piece
    try:
        with pytest.raises(OSError, match="No space left"):
            card_speed.measure(card.folder)
        assert not [*card.folder.iterdir()]
    finally:
        card.remove()


def test_a_folder_that_may_not_be_written_is_an_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        card_speed.measure(tmp_path / "none")
