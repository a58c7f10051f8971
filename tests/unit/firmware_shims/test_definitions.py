"""The table of MAVLink's definitions: against another implementation, and against the XML where it is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from pymavlink.dialects.v20 import all as dialect

from firmware_shims import definitions, mavlink_table
from firmware_shims.definitions import COMMANDS, MESSAGES

XML = Path(__file__).parents[4] / "shared/data/mavlink"

# Messages to which MAVLink has added extension fields since pymavlink's dialect was made: the table's are longer, and
# CRC_EXTRA, which leaves extensions out, is the same.
GREW = {
    *("MISSION_CURRENT", "MISSION_COUNT", "MISSION_ACK", "SET_ATTITUDE_TARGET", "TIMESYNC", "SERIAL_CONTROL"),
    "WIFI_CONFIG_AP",
}


def test_lengths_and_checksums_are_those_of_pymavlink_where_both_know_a_message():
    both = {number: (MESSAGES[number], kind) for number, kind in dialect.mavlink_map.items() if number in MESSAGES}
    assert len(both) > 290
    assert all(kind.msgname == message.name for message, kind in both.values())
    assert all(kind.crc_extra == message.crc_extra for message, kind in both.values())
    differ = {message.name: (kind.unpacker.size, message.length) for message, kind in both.values()}
    longer = {name for name, (theirs, ours) in differ.items() if theirs != ours}
    assert longer == {message.name for message in MESSAGES.values() if message.name in GREW}
    assert all(theirs < ours for theirs, ours in differ.values() if theirs != ours)


def test_fields_stand_where_pymavlink_puts_them():
    checked = 0
    for number, kind in dialect.mavlink_map.items():
        for field, (at, form) in MESSAGES[number].fields.items() if number in MESSAGES else ():
            if field not in kind.fieldnames:
                assert MESSAGES[number].name in GREW
                continue
            payload = bytearray(MESSAGES[number].length)
            form.pack_into(payload, at, b"A" if form.format.endswith("s") else 1)
            message = kind(*(_value(_zero(kind, name), name == field) for name in kind.fieldnames))
            packed = bytes(message.pack(dialect.MAVLink(None)))[10:-2].ljust(len(payload), b"\0")
            assert packed[: kind.unpacker.size] == bytes(payload)[: kind.unpacker.size], f"{kind.msgname}.{field}"
            checked += 1
    assert checked > 40


def _zero(kind: type, name: str) -> object:
    size = kind.array_lengths[kind.ordered_fieldnames.index(name)]
    is_text = kind.fieldtypes[kind.fieldnames.index(name)] == "char"
    return (b"" if is_text else [0] * size) if size else 0


def _value(zero: object, marked: bool) -> object:
    if not marked:
        return zero
    if isinstance(zero, list):
        return [ord("A"), *zero[1:]]
    return b"A" if isinstance(zero, bytes) else 1


def test_what_pymavlink_lacks_is_there():
    names = {message.name for message in MESSAGES.values()} - {kind.msgname for kind in dialect.mavlink_map.values()}
    assert {"REQUEST_EVENT", "COMMAND_CANCEL", "PLAY_TUNE_V2", "CELLULAR_CONFIG", "RC_CHANNELS_OVERRIDE_V2"} <= names
    assert COMMANDS[32100] == "REQUEST_OPERATOR_CONTROL"


def test_the_table_says_where_it_comes_from():
    assert definitions.SOURCE.startswith("github mavlink/mavlink, commit de1e078a, 2026-07-22: ")


@pytest.mark.skipif(not XML.is_dir(), reason="the definitions of MAVLink are not at ../shared/data/mavlink")
def test_the_table_is_what_the_definitions_make():
    assert mavlink_table.made(XML) == definitions.TABLE.read_text()


SMALL = '<mavlink><messages><message id="{}" name="A"><description>a</description>{}</message></messages></mavlink>'
FIELD = '<field type="uint8_t" name="{}">a</field>'


def test_two_definitions_of_one_message_are_no_table(tmp_path: Path):
    (tmp_path / "README.md").write_text("(github a/b, commit 12, 2026-01-01; licence)")
    (tmp_path / "one.xml").write_text(SMALL.format(1, FIELD.format("a")))
    assert "message 1 A 1 1 " in mavlink_table.made(tmp_path)
    (tmp_path / "two.xml").write_text(SMALL.format(1, FIELD.format("a") + FIELD.format("b")))
    with pytest.raises(ValueError, match="defined twice"):
        mavlink_table.made(tmp_path)


def test_definitions_of_no_commit_are_no_table(tmp_path: Path):
    (tmp_path / "README.md").write_text("definitions")
    with pytest.raises(ValueError, match="names no commit"):
        mavlink_table.made(tmp_path)


def test_the_tool_writes_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "README.md").write_text("(github a/b, commit 12, 2026-01-01; licence)")
    (tmp_path / "one.xml").write_text(SMALL.format(1, FIELD.format("a")))
    monkeypatch.setattr(mavlink_table, "TABLE", tmp_path / "mavlink.txt")
    monkeypatch.setattr("sys.argv", ["mavlink_table", str(tmp_path)])
    mavlink_table.main()
    assert (tmp_path / "mavlink.txt").read_text() == mavlink_table.made(tmp_path)
