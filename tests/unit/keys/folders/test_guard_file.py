from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from keys.errors import UnknownGuard, WrongGuardFile, WrongToml
from keys.folders import guard_file
from tests.agency import order, station

TEXT = """
[guard.technician]
base = "pilot"
allow = ["LOG_ERASE"]
block-param = ["FS_*"]
rate = 50
[guard."harbour master"]
base = "observer"
"""


def file(tmp_path: Path, text: str = TEXT) -> guard_file.GuardFile:
    path = tmp_path / "guard.toml"
    path.write_text(text)
    return guard_file.read(path)


def test_a_file_has_its_hash_and_its_policies(tmp_path: Path):
    found = file(tmp_path, TEXT.replace("block-param", "block_param"))
    assert found.hash == hashlib.sha256(found.path.read_bytes()).digest()
    assert list(found.policies) == ["technician", "harbour master"]
    technician = found.policies["technician"]
    assert (technician.base, technician.allow, technician.block_param, technician.rate) == (
        *("pilot", ("LOG_ERASE",), ("FS_*",)),
        50,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a file of guard policies"),
        ("[guards.a]", "is not a file of guard policies"),
        ("guard = 1", "is not a file of guard policies"),
        ("[guard]", "is not a file of guard policies"),
        ("".join(f'[guard.a{n}]\nbase = "pilot"\n' for n in range(17)), "is not a file of guard policies"),
        ('[guard.pilot]\nbase = "pilot"', "guard.pilot: no name for a policy of one's own"),
        ('[guard."a:b"]\nbase = "pilot"', "no name for a policy"),
        ('[guard." a"]\nbase = "pilot"', "no name for a policy"),
        ("[guard]\na = 1", "guard.a is no table"),
        ("[guard.a]", "missing required field `base`"),
        ('[guard.a]\nbase = "captain"', "the base is 'captain'"),
        ('[guard.a]\nbase = "pilot"\nalow = []', "has the key alow"),
        ('[guard.a]\nbase = "pilot"\nallow = "PING"', "Expected `array`"),
        ('[guard.a]\nbase = "pilot"\nrate = 0', "rate is 0"),
        ('[guard.a]\nbase = "pilot"\nrate = 10001', "rate is 10001"),
        ('[guard.a]\nbase = "pilot"\nblock_param = [""]', "no parameter is named"),
        ('[guard.a]\nbase = "pilot"\nallow_param = ["12345678901234567"]', "no parameter is named"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str):
    with pytest.raises(WrongToml, match=says):
        file(tmp_path, text)


def test_an_order_is_for_one_file(tmp_path: Path):
    found = file(tmp_path, TEXT.replace("block-param", "block_param"))
    listed = (station(1, guard="technician"), station(2))
    guard_file.require_for(order(stations=listed, guards=found.hash), found)
    guard_file.require_for(order(), found)
    guard_file.require_for(order(), None)
    with pytest.raises(WrongGuardFile, match="no file with them is here"):
        guard_file.require_for(order(stations=listed, guards=found.hash), None)
    with pytest.raises(WrongGuardFile, match="is not the file whose guard policies"):
        guard_file.require_for(order(stations=listed, guards=bytes(32)), found)
    with pytest.raises(UnknownGuard, match="'captain', not in"):
        guard_file.require_for(order(stations=(station(1, guard="captain"),), guards=found.hash), found)
