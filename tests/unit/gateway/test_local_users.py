from __future__ import annotations

import os

import pytest

from gateway import config, local_users
from gateway.config import AirConfig, GroundConfig
from gateway.endpoints.plain_users import OVERFLOW_UID
from gateway.endpoints.socket_users import AVAILABLE
from gateway.errors import ConfigError
from gateway.local_users import KNOWN_MAX, LocalUsers
from gateway.report.alarms import STRANGER_LASTS_S, Alarms

linux = pytest.mark.skipif(not AVAILABLE, reason="this system does not tell whose a port is")
UNKNOWN_UID = 4_000_000


@pytest.fixture
def alarms():
    return Alarms([].append)


@linux
def test_root_the_roles_own_user_and_those_that_are_named_may():
    rule = LocalUsers(("root", 1234, "1235")).rule
    assert rule.may_have({0, os.geteuid(), 1234, 1235}, "", "", 0.0)
    assert not rule.may_have({0, UNKNOWN_UID}, "", "", 0.0)
    assert not rule.may_have({None}, "", "", 0.0)


@linux
def test_a_user_that_was_kept_out_is_named_with_the_option_that_admits_it(alarms, monkeypatch):
    monkeypatch.setattr(local_users, "name_of", lambda _: "al\x1b[2Jice")
    users = LocalUsers()
    users.rule.may_have({UNKNOWN_UID}, "127.0.0.1:4", "udpin:127.0.0.1:14550", 1.0)
    users.tell(alarms, 1.0)
    (text,) = alarms.texts
    assert text == (
        "a program of user 'al\\x1b[2Jice' (uid 4000000) at 127.0.0.1:4 is kept out of udpin:127.0.0.1:14550: it is neither"
        " heard nor sent to; run it as a user who is allowed, or from the next start on let it in:"
        " --plain-user al\\x1b[2Jice"
    )


@linux
@pytest.mark.parametrize(
    ("files", "line", "where"),
    [
        ({}, "plain_users = [4000000]", "ground.d/50-setup.toml"),
        ({"ground.d/10-plain-users.toml": '["bob"]'}, 'plain_users = ["bob", 4000000]', "ground.d/10-plain-users.toml"),
        ({"ground.toml": '["bob", 7]'}, 'plain_users = ["bob", 7, 4000000]', "ground.toml"),
    ],
)
def test_or_with_the_line_and_its_file(alarms, tmp_path, files, line, where):
    path = tmp_path / "ground.toml"
    (tmp_path / "ground.d").mkdir()
    path.write_text('station = "x"\norder = "y"\n')
    for name, value in files.items():
        with (tmp_path / name).open("a") as file:
            file.write(f"plain_users = {value}\n")
    users = LocalUsers(config.load_file(GroundConfig, path).plain_users, path)
    users.rule.may_have({UNKNOWN_UID}, "127.0.0.1:4", "udpin:127.0.0.1:14550", 1.0)
    users.tell(alarms, 1.0)
    assert alarms.texts[-1].endswith(f"let it in: {line} in {tmp_path}/{where}")
    with (tmp_path / where).open("w" if where != "ground.toml" else "a") as file:
        file.write(f"{line}\n" if where != "ground.toml" else "")
    if where != "ground.toml":
        assert UNKNOWN_UID in config.load_file(GroundConfig, path).plain_users, "the line does what it says"


@linux
def test_one_account_with_thousands_of_users_fills_no_log_and_asks_no_directory(monkeypatch):
    said, asked = list[str](), list[int]()
    monkeypatch.setattr(local_users, "name_of", lambda uid: asked.append(uid) or "")
    users, alarms = LocalUsers(), Alarms(said.append)
    for step in range(20 * KNOWN_MAX):
        now = step * 2 * STRANGER_LASTS_S
        users.rule.may_have({UNKNOWN_UID + step}, "127.0.0.1:4", "udpin:127.0.0.1:14550", now)
        users.tell(alarms, now)
        alarms.tick(now)
        users.tell(alarms, now)
        assert f"(uid {UNKNOWN_UID + step})" in alarms.texts[-1]
        assert alarms.texts[-1].endswith(f"--plain-user {UNKNOWN_UID + step}")
    assert len(asked) == KNOWN_MAX
    users.rule.may_have({UNKNOWN_UID + 40 + at for at in range(16)}, "127.0.0.1:4", "udpin:127.0.0.1:14550", now)
    before = len(said)
    users.tell(alarms, now)
    assert len(said) == before, "they share one alarm"


@linux
def test_an_alarm_leaves_when_its_cause_does(alarms):
    users = LocalUsers()
    users.rule.may_have({UNKNOWN_UID}, "", "", 1.0)
    for now in (1.0, 2.0, 2.0 + STRANGER_LASTS_S):
        users.tell(alarms, now)
        alarms.tick(now)
    assert (alarms.texts, users.rule.strangers) == ([], {})


def live(alarms: Alarms) -> list[str]:
    return [reason for reason, alarm in alarms.by_reason().items() if alarm.live]


@linux
def test_a_user_that_cannot_be_determined_and_tables_that_cannot_be_read(alarms):
    users = LocalUsers()
    users.rule.keep_out(None, "127.0.0.1:4", "udpin:127.0.0.1:14550", 1.0)
    users.rule.keep_out(OVERFLOW_UID, "127.0.0.1:5", "udpin:127.0.0.1:14550", 1.0)
    users.rule.trouble = "no /proc"
    users.tell(alarms, 1.0)
    assert live(alarms) == ["sender_untold", "users_hidden", "users_unreadable"]
    users.rule.trouble = ""
    users.tell(alarms, 1.0)
    assert live(alarms) == ["sender_untold", "users_hidden"]


@linux
def test_a_user_whom_this_computer_does_not_know_ends_no_flight(alarms):
    LocalUsers(("no such user",)).tell(alarms, 0.0)
    assert alarms.texts == ["plain_users names 'no such user', which is no user of this computer: it lets no program in"]


def test_a_system_that_tells_nothing_says_so(alarms, monkeypatch):
    monkeypatch.setattr(local_users, "AVAILABLE", False)
    users = LocalUsers()
    users.tell(alarms, 0.0)
    assert users.rule is None
    assert alarms.texts == ["this system does not say which user has a port: any program here can use the plain endpoints"]


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ('"alice"', "array"),
        ('[""]', "is no user"),
        ('["al\\nice"]', "is no user"),
        ("[-1]", "is no user"),
        ("[4294967295]", "is no user"),
        ("[1.5]", "plain_users"),
        ('["nobody"]', "can be any user"),
        ("[65534]", "can be any user"),
    ],
)
def test_what_is_no_user_is_refused_with_its_file(tmp_path, value, wrong):
    path = tmp_path / "air.toml"
    path.write_text(f'device = "x"\nlink = ["udpout:127.0.0.1:1"]\nplain_users = {value}\n')
    with pytest.raises(ConfigError, match=wrong) as error:
        config.load_file(AirConfig, path)
    assert str(path) in str(error.value)


def test_the_user_of_the_sources_may_send_pictures_and_no_telemetry(monkeypatch):
    monkeypatch.setattr("gateway.local_users.SOURCE_USER", "1234")
    users = LocalUsers(sources=True)
    assert users.rule is not None
    assert users.camera_rule is not None
    assert 1234 not in users.rule.uids
    assert users.camera_rule.uids == users.rule.uids | {1234}
    assert LocalUsers().camera_rule.uids == LocalUsers().rule.uids


def test_a_stranger_at_a_port_for_video_is_told_too(monkeypatch):
    monkeypatch.setattr("gateway.local_users.SOURCE_USER", "1234")
    said = []
    users, alarms = LocalUsers(sources=True), Alarms(said.append)
    users.camera_rule.keep_out(4321, "127.0.0.1:5", "udpin:127.0.0.1:5602", 0.0)
    users.tell(alarms, 0.0)
    assert any("4321" in line for line in said), said
