"""share.toml: who may read it, what is refused in it, and that nothing is on by default."""

from __future__ import annotations

import os

import pytest

from gateway.errors import ConfigError
from gateway.share import config
from gateway.share.config import ShareConfig

RTSP = '[rtsp]\naddress = "192.168.10.2:8554"\nuser = "wall"\npassword = "correct horse battery"\n'


@pytest.fixture
def write(tmp_path):
    def made(text: str, mode: int = 0o600):
        path = tmp_path / "share.toml"
        path.write_text(text)
        path.chmod(mode)
        return path

    return made


def test_each_key_has_its_default(write):
    found = config.load(write(RTSP))
    assert not found.confidential
    assert found.rtsp
    assert found.rtsp.place() == ("192.168.10.2", 8554)
    assert found.rtsp.url() == "rtsp://192.168.10.2:8554/"
    assert (found.rtsp.udp_port, found.rtsp.md5, found.rtsp.context()) == (8556, True, None)


def test_nothing_is_shared_by_default(write):
    assert ShareConfig().rtsp is None
    for text in ("", "confidential = true\n"):
        with pytest.raises(ConfigError, match="no output"):
            config.load(write(text))


def test_keys_are_spelled_with_either_line(write):
    found = config.load(write(RTSP + "udp-port = 9000\n"))
    assert found.rtsp
    assert found.rtsp.udp_port == 9000


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602, 0o601])
def test_a_file_that_others_may_read_or_change_is_refused(write, mode):
    with pytest.raises(ConfigError, match="holds passwords") as caught:
        config.load(write(RTSP, mode))
    assert "chmod 600" in caught.value.hint


@pytest.mark.skipif(os.getuid() != 0, reason="gives a file to another user")
def test_a_group_may_read_a_file_of_root_and_no_other(write):
    path = write(RTSP, 0o640)
    assert config.load(path).rtsp
    os.chown(path, 65_534, 65_534)
    with pytest.raises(ConfigError, match="holds passwords"):
        config.load(path)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("rtps = 1\n" + RTSP, "rtps"),
        (RTSP + "passwrd = 1\n", "passwrd"),
        (RTSP + "port = 8554\n", "port"),
        (RTSP.replace("192.168.10.2:8554", "station.local:8554"), "station.local"),
        (RTSP.replace("192.168.10.2:8554", "192.168.10.2"), "not an address with a port"),
        (RTSP.replace("192.168.10.2:8554", "192.168.10.2:0"), "not an address with a port"),
        (RTSP.replace("192.168.10.2:8554", "192.168.10.256:8554"), "not an address with a port"),
        (RTSP.replace('user = "wall"\n', ""), "user"),
        (RTSP.replace("wall", "the wall"), "user"),
        (RTSP.replace("correct horse battery", "short"), "5 characters"),
        (RTSP.replace("correct horse battery", "correct\\nhorse battery"), "password"),
        (RTSP + 'certificate = "/nowhere.crt"\n', "private_key"),
        (RTSP + 'certificate = "/nowhere.crt"\nprivate_key = "/nowhere.key"\n', "nowhere"),
        (RTSP + "udp_port = 8557\n", "8557"),
        (RTSP + "udp_port = 80\n", "80"),
        ("confidential = 1\n" + RTSP, "confidential"),
        ("confidential = \n", "TOML"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(write, text, wrong):
    with pytest.raises(ConfigError, match=wrong) as caught:
        config.load(write(text))
    assert caught.value.hint
    assert "correct horse" not in str(caught.value)


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "share.toml")


EVERYWHERE = "0.0.0.0"  # noqa: S104
TAK = '[tak]\nurl = "udp://239.2.3.1:6969"\ninterface = "192.168.10.2"\n'


def test_an_output_of_its_own_is_enough(write):
    found = config.load(write(TAK))
    assert found.rtsp is None
    assert found.tak
    assert found.tak.place() == (False, "239.2.3.1", 6969)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (TAK.replace("interface", "interfce"), "interfce"),
        (TAK.replace("udp:", "tcp:"), "tak: url is"),
        (TAK + 'video_address = "192.168.10.2:8554"\n', "not there"),
        (RTSP.replace("192.168.10.2", EVERYWHERE) + TAK, "cannot be told"),
    ],
)
def test_a_mistake_in_the_table_for_tak_is_named(write, text, wrong):
    with pytest.raises(ConfigError, match=wrong) as caught:
        config.load(write(text))
    assert caught.value.hint


def test_clients_are_told_an_address_that_they_reach(write):
    found = config.load(write(RTSP.replace("192.168.10.2", EVERYWHERE) + TAK + 'video_address = "192.168.10.2:8554"\n'))
    assert found.rtsp
    assert found.tak
    assert found.rtsp.url(found.tak.video_address) == "rtsp://192.168.10.2:8554/"
