"""What the doctor says of a vendor that has pictures. tests/system/test_contain.py asks it where the rules are loaded."""

from __future__ import annotations

import pytest

from gateway.board import seal
from gateway.board.finding import State
from gateway.board.subject import Subject
from gateway.config import AirConfig
from gateway.report.role_status import Status
from keys.commands.account import caller
from tests.unit.gateway.report.statuses import air
from tests.unit.keys.disk import only_root


def found(folder, *vendors: str, running: Status | None = None) -> list[tuple[str, State]]:
    settings = AirConfig(device="d", link=("udpout:10.1.1.2:14600",), seen_by=vendors)
    subject = Subject(role="air", path=folder / "air.toml", settings=settings, user=caller(), running=running)
    return [(each.what, each.state) for each in seal.look(subject)]


def test_without_a_vendor_there_is_nothing_to_say(tmp_path):
    assert found(tmp_path) == []


def test_a_running_air_that_has_not_read_the_changed_file_is_named(tmp_path):
    assert ("seal", State.DO) in found(tmp_path, "autel", "dji", running=air(seen_by=["dji"]))
    assert ("seal", State.OK) in found(tmp_path, "autel", "dji", running=air(seen_by=["autel", "dji"]))


@pytest.mark.parametrize("text", [None, "", "=", "contain = 7", "[[contain]]\n"])
def test_a_controller_that_is_not_contained_is_named_and_so_is_what_no_computer_sees(tmp_path, text):
    if text is not None:
        (tmp_path / "egress.toml").write_text(text)
    unseen = ("controller's own radios", State.UNKNOWN)
    assert found(tmp_path, "dji") == [("seal", State.OK), ("controller", State.UNKNOWN), unseen]


@only_root
def test_rules_that_are_not_loaded_are_to_do(tmp_path):
    (tmp_path / "egress.toml").write_text('[[contain]]\ninterface = "no-such-0"\n')
    assert ("controller", State.DO) in found(tmp_path, "dji")
