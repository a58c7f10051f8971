from __future__ import annotations

import argparse

import pytest

from gateway import config
from gateway.config import AirConfig, GroundConfig
from gateway.errors import ConfigError

LINK = "udpout:192.0.2.1:14600"


def arguments(**given) -> argparse.Namespace:
    return argparse.Namespace(**{"config": None, **given})


def test_the_command_line_alone_and_its_defaults():
    settings = config.load(AirConfig, arguments(device="drone", link=[LINK]))
    assert (settings.device, settings.link) == ("drone", (LINK,))
    assert settings.fc == "udpin:127.0.0.1:14560"
    assert settings.video == ("udpin:127.0.0.1:5602", "udpin:127.0.0.1:5606")
    ground = config.load(GroundConfig, arguments(station="pilot", order="op.order"))
    assert ground.link == ("udpin:0.0.0.0:14600",)
    assert ground.gcs == ("udpout:127.0.0.1:14550",)


def test_no_default_port_of_video_is_that_of_reports_on_another():
    """RFC 3550 section 11: the port above an even one is for RTCP. Both roles may be on one computer."""
    air = config.load(AirConfig, arguments(device="drone", link=[LINK]))
    ground = config.load(GroundConfig, arguments(station="pilot", order="op.order"))
    ports = [config.endpoint(text).port for text in (*air.video, *ground.video)]
    assert all(port % 2 == 0 for port in ports)
    assert len({*ports, *(port + 1 for port in ports)}) == 8


def test_the_command_line_overrides_the_file(tmp_path):
    file = tmp_path / "air.toml"
    file.write_text(f'device = "drone"\nlink = ["{LINK}"]\nlink-kbit = 57\n')
    settings = config.load(AirConfig, arguments(config=str(file), link_kbit=250))
    assert (settings.device, settings.link_kbit) == ("drone", 250)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("devise = 'x'", "devise"),
        ("device = 7", "device"),
        ("device = 'x'\nlink = []", "no link"),
        ("device = 'x'\nlink = ['udpin:0.0.0.0:14600']", "no link says where to send"),
        ("device = 'x'\nlink = ['tcp:192.0.2.1:14600']", "would delay all packets after it"),
        ("device = 'x'\nlink = ['udp:h:1']", "udp"),
        (f"device = 'x'\nlink = ['{LINK}']\nmtu = 500", "mtu"),
        (f"device = 'x'\nlink = ['{LINK}']\nmtu = {'9' * 400}", "more than 64 bits"),
        (f"device = 'x'\nlink = ['{LINK}']\nplain_users = [0x{'f' * 5000}]", "more than 64 bits"),
        (f"device = 'x'\nlink = ['{LINK}']\nflush_ms = 9", "flush_ms"),
        (f"device = 'x'\nlink = ['{LINK}']\nlink_kbit = 1", "link_kbit"),
        (f"device = 'x'\nlink = ['{LINK}']\nsystem_id = 0", "system_id"),
        (f"device = 'x'\nlink = ['{LINK}']\nseen_by = [' ']", "no vendor"),
        (f"device = 'x'\nlink = ['{LINK}', 'msp+serial:/dev/ttyS0']", "is not a link"),
        (f"device = 'x'\nlink = ['{LINK}']\nfc = 'msp+udpin:1.2.3.4:5'", "is no line for MSP"),
        (f"device = 'x'\nlink = ['{LINK}']\nrates = 7", "rates"),
        (f"device = 'x'\nlink = ['{LINK}']\n[rates]\nATITUDE = 7", "rates has ATITUDE, which is no message of MAVLink"),
        (f"device = 'x'\nlink = ['{LINK}']\n[rates]\nATTITUDE = 0", "ATTITUDE is 0 a second"),
        (f"device = 'x'\nlink = ['{LINK}']\n[rates]\nATTITUDE = nan", "ATTITUDE is nan a second"),
        (
            f"device = 'x'\nlink = ['{LINK}']\nfc = 'msp+tcp:h:1'\n[rates]\nRAW_IMU = 5",
            "RAW_IMU, which is not made from MSP",
        ),
        (f"device = 'x'\nlink = ['{LINK}']\nfc = 'msp+tcp:h:1'\n[rates]\nATTITUDE = 51", "ATTITUDE is 51 a second"),
        (f"device = 'x'\nlink = ['{LINK}']\nvideo = ['udpin:1', 'udpin:2', 'udpin:3']", "video"),
        (f"device = 'x'\nlink = ['{LINK}']\nvideo = ['tcp:127.0.0.1:5000']", "no endpoint for video"),
        (f"device = 'x'\nlink = ['{LINK}']\nvideo = ['udpout:127.0.0.1:5000']", "cameras send to the aircraft"),
        (f"device = 'x'\nlink = ['{LINK}', '{LINK}']", "one endpoint twice"),
        (f"device = 'x'\nlink = '{LINK}'", "link"),
        (f"device = 'x'\nlink = ['{LINK}']\nrecord = 7", "record"),
        (f"device = 'x'\nlink = ['{LINK}']\n[record]\nfolde = '/x'", "record has the key folde"),
        (f"device = 'x'\nlink = ['{LINK}']\n[record]\nfolder = 'x'", "the folder of record is 'x'"),
        (f"device = 'x'\nlink = ['{LINK}']\n[record]\nqueue-mib = 1", "queue_mib of record is 1"),
        (f"device = 'x'\nlink = ['{LINK}']\n[record]\nkeep-free-mib = -1", "keep_free_mib of record is -1"),
        (f"device = 'x'\nlink = ['{LINK}']\n[record]\nqueue-mib = 5\nqueue_mib = 5", "queue_mib twice"),
        (f"device = 'x'\nlink = ['{LINK}']\n[record]\nvideo = ['udpin:h:1', 'udpin:h:2', 'udpin:h:3']", "3 cameras"),
        (f"device = 'x'\nlink = ['{LINK}']\n[record]\nvideo = ['tcp:127.0.0.1:5000']", "no endpoint for video"),
        (f"device = 'x'\nlink = ['{LINK}']\n[record]\nvideo = ['udpin:127.0.0.1:5602']", "video names one endpoint twice"),
        ("station = 'x'", "is for zegel ground"),
        ("device = ", "TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, wrong):
    file = tmp_path / "air.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=wrong) as caught:
        config.load_file(AirConfig, file)
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_number_of_any_size_on_the_command_line_is_out_of_range():
    with pytest.raises(ConfigError, match="mtu is 9999"):
        config.load(AirConfig, arguments(device="drone", link=[LINK], mtu=10**400 - 1))


def test_a_ground_names_no_ground_control_station_twice():
    """It would get each frame twice, and the metrics of both would be one series that comes twice."""
    with pytest.raises(ConfigError, match="gcs names one endpoint twice"):
        config.load(GroundConfig, arguments(station="pilot", order="op.order", gcs=["udpout:h:14550", "udpc:h:14550"]))


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match="--link and --device"):
        config.load(AirConfig, arguments())
    with pytest.raises(ConfigError, match="No such file"):
        config.load(AirConfig, arguments(config="/nonexistent.toml"))


@pytest.mark.parametrize(
    ("links", "given", "bps"),
    [
        ([LINK], None, 8_000_000),
        ([LINK, "serial:/dev/ttyUSB0:57600"], None, 46_080),
        (["serial:/dev/ttyUSB0:57600", "serial:/dev/ttyUSB1:9600"], None, 7_680),
        (["serial:/dev/ttyACM0:12000000"], None, 8_000_000),
        ([LINK, "serial:/dev/ttyUSB0:57600"], 250, 250_000),
    ],
)
def test_the_narrowest_link_is_known_by_its_baud_rate_unless_it_is_said(links, given, bps):
    more = {} if given is None else {"link_kbit": given}
    assert config.load(AirConfig, arguments(device="drone", link=links, **more)).link_bps() == bps


def test_a_ground_may_send_first_or_use_a_serial_radio():
    links = ["udpin:0.0.0.0:14600", "udpout:192.0.2.1:14600", "serial:/dev/ttyUSB0:57600"]
    assert config.load(GroundConfig, arguments(station="pilot", order="op.order", link=links)).link == tuple(links)


TUNING = "batch = 16\nflush_ms = 3.5\nbuffer_kib = 1024\n"


def test_a_tuning_is_read_by_both_roles_as_far_as_it_is_theirs(tmp_path):
    file = tmp_path / "tuning.toml"
    file.write_text(TUNING)
    air = config.load(AirConfig, arguments(device="drone", link=[LINK], tuning=str(file)))
    ground = config.load(GroundConfig, arguments(station="pilot", order="op.order", tuning=str(file)))
    assert (air.batch, air.flush_ms, air.buffer_kib) == (16, 3.5, 1024)
    assert (ground.batch, ground.buffer_kib) == (16, 1024)


def test_an_option_counts_more_than_a_tuning(tmp_path):
    (tmp_path / "tuning.toml").write_text(TUNING)
    file = tmp_path / "air.toml"
    file.write_text(f'device = "drone"\nlink = ["{LINK}"]\ntuning = "{tmp_path / "tuning.toml"}"\nbatch = 8\n')
    settings = config.load(AirConfig, arguments(config=str(file), flush_ms=1.0))
    assert (settings.batch, settings.flush_ms, settings.buffer_kib) == (8, 1.0, 1024)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("batches = 8", "batches"),
        ("batch = 0", "batch is 0"),
        ("batch = 65", "batch is 65"),
        ("batch = 'all'", "batch"),
        ("flush_ms = 9", "flush_ms is 9"),
        ("buffer_kib = 1", "buffer_kib is 1"),
        ("batch =", "TOML"),
    ],
)
def test_a_mistake_in_a_tuning_is_named_with_its_file(tmp_path, text, wrong):
    file = tmp_path / "tuning.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"tuning.toml.*{wrong}") as caught:
        config.load(AirConfig, arguments(device="drone", link=[LINK], tuning=str(file)))
    assert caught.value.hint


def dropped_in(tmp_path, **texts: str):
    """air.toml, and air.d/NAME.toml of each text."""
    file = tmp_path / "air.toml"
    file.write_text(f'device = "drone"\nlink = ["{LINK}"]\nmtu = 1400\n')
    (tmp_path / "air.d").mkdir()
    for name, text in texts.items():
        (tmp_path / "air.d" / f"{name}.toml").write_text(text)
    return file


def test_files_in_the_folder_of_the_configuration_count_more_the_later_they_come(tmp_path):
    file = dropped_in(tmp_path, b_board="mtu = 1300\nlink-kbit = 57", a_setup='mtu = 1350\ndevice = "other"')
    (tmp_path / "air.d/note.txt").write_text("not TOML")
    settings = config.load_file(AirConfig, file)
    assert (settings.device, settings.mtu, settings.link_kbit, settings.link) == ("other", 1300, 57, (LINK,))
    assert config.load(AirConfig, arguments(config=str(file), mtu=1320)).mtu == 1320


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("devise = 'x'", r"b\.toml has the key devise"),
        ("device = 7", r"b\.toml: Expected `str`"),
        ("link = [7]", r"b\.toml: Expected `str`"),
        ("mtu = 500", r"b\.toml: mtu"),
        ("link = ['udp:h:1']", r"b\.toml: .*udp"),
        ("fc = 'udp:h:1'", r"b\.toml: .*udp"),
        ("link = []", r"b\.toml: no link"),
        ("video = ['tcp:127.0.0.1:5000']", r"b\.toml: tcp:127\.0\.0\.1:5000 is no endpoint"),
        ("batch = 0", r"b\.toml: batch"),
        ("station = 'x'", r"b\.toml is for zegel ground"),
        ("mtu =", r"b\.toml is not TOML"),
    ],
)
def test_a_mistake_is_named_with_the_file_that_holds_it(tmp_path, text, wrong):
    with pytest.raises(ConfigError, match=wrong):
        config.load_file(AirConfig, dropped_in(tmp_path, a="mtu = 1350", b=text, c="flush_ms = 1"))
