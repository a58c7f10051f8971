from __future__ import annotations

import pytest

from gateway.ground import order_file
from gateway.ground.order_file import OrderFile
from keys.errors import MissingFile, WrongFile

FIRST, SECOND = b"\xd8\x62first", b"\xd8\x62other"  # as a COSE_Sign begins


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "op.order"
    made.write_bytes(FIRST)
    return made


def test_the_same_file_is_no_news(path):
    watched = OrderFile(str(path))
    assert watched.changed() is None
    path.unlink()
    assert watched.changed() is None


def test_another_file_under_its_name_is_handed_out_once(path, tmp_path):
    watched = OrderFile(str(path))
    (tmp_path / "new").write_bytes(SECOND)
    (tmp_path / "new").replace(path)
    assert watched.changed() == SECOND
    assert watched.changed() is None


def test_a_file_that_was_away_comes_back_as_another(path):
    watched = OrderFile(str(path))
    path.unlink()
    assert watched.changed() is None
    path.write_bytes(SECOND + b"!")
    assert watched.changed() == SECOND + b"!"


def test_what_is_no_order_is_refused_once(path):
    watched = OrderFile(str(path))
    path.write_bytes(b"-----BEGIN CERTIFICATE-----")
    with pytest.raises(WrongFile, match="is a certificate"):
        watched.changed()
    assert watched.changed() is None


def test_reading_says_what_is_missing(tmp_path):
    with pytest.raises(MissingFile):
        order_file.read(str(tmp_path / "none"))
