"""[[source]] and [vendor.NAME] of air.toml: what is accepted, and that each mistake is named with its cure."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway import config
from gateway.config import AirConfig
from gateway.errors import ConfigError
from gateway.sources.tables import RtmpAddress, Source, rtmp_address, seen_by

HEAD = 'device = "drone"\nlink = ["udpout:192.0.2.1:14600"]\n'
CAMERA = 'name = "front"\nlane = "a"\nseen_by = ""\nrun = ["rpicam-vid", "-o", "-"]\ngives = "h264"'
PUSHED = 'name = "box"\nlane = "b"\nseen-by = "dji"\nrtmp = "0.0.0.0:1935/live/front"'
FETCHED = 'name = "mast"\nlane = "b"\nseen_by = ""\nrtsp = "rtsp://192.168.1.10:8554/live/1"\ncredentials = "/etc/zegel/m"'
FED = 'name = "psdk"\nlane = "b"\nseen_by = "dji"\nsocket = "psdk"\ngives = "h264"'
FEEDER = '[vendor.psdk]\nrun = ["/opt/psdk/feeder"]\ninterface = "eth1"\ndevices = ["/dev/ttyUSB0"]\n'


def read(tmp_path, *sources: str, more: str = "", head: str = HEAD) -> AirConfig:
    file = tmp_path / "air.toml"
    file.write_text(head + "".join(f"[[source]]\n{source}\n" for source in sources) + more)
    return config.load_file(AirConfig, file)


def wrong(tmp_path, *sources: str, more: str = "", head: str = HEAD) -> str:
    """The message, which names the file; there is always a hint."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, *sources, more=more, head=head)
    assert caught.value.hint
    assert str(caught.value).startswith(str(tmp_path / "air.toml"))
    return str(caught.value)


def changed(source: str, **values: str | None) -> str:
    """`source` with other lines; None removes one."""
    lines = dict(line.split(" = ", 1) for line in source.splitlines())
    lines |= {key: value for key, value in values.items() if value is not None}
    return "\n".join(f"{key} = {value}" for key, value in lines.items() if values.get(key, "") is not None)


def test_each_way_is_read(tmp_path):
    found = read(tmp_path, CAMERA, FED, more=FEEDER)
    front, psdk = found.source
    assert (front.way, front.run, front.gives, front.lane) == ("run", ("rpicam-vid", "-o", "-"), "h264", "a")
    assert (psdk.way, psdk.seen_by, found.vendor["psdk"].devices) == ("socket", "dji", ("/dev/ttyUSB0",))
    assert read(tmp_path, PUSHED).source[0].way == "rtmp"
    assert read(tmp_path, FETCHED).source[0].credentials == "/etc/zegel/m"
    assert read(tmp_path).source == ()


def test_vendors_that_have_a_picture_before_the_seal_are_named_once(tmp_path):
    assert seen_by(read(tmp_path, CAMERA).source) == []
    assert seen_by(read(tmp_path, CAMERA, PUSHED).source) == ["dji"]


def test_where_rtmp_listens():
    def at(text: str) -> RtmpAddress | None:
        return rtmp_address(Source(name="x", lane="a", seen_by="", rtmp=text))

    assert at("0.0.0.0:1935/live/front") == ("0.0.0.0", 1935, "live", "front")  # noqa: S104 - it is an address of a configuration, and nothing listens
    assert at("rtmp://[fd00::1]:1936/a/b") == ("fd00::1", 1936, "a", "b")
    assert rtmp_address(Source(name="x", lane="a", seen_by="", rtsp="rtsp://h/")) is None


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (changed(CAMERA, name='"Front 1"'), "this is no name"),
        (changed(CAMERA, name='"' + "a" * 33 + '"'), "this is no name"),
        (changed(CAMERA, name=None), "missing required field `name`"),
        (changed(CAMERA, lane='"c"'), "Invalid enum value 'c'"),
        (changed(CAMERA, seen_by=None), "missing required field `seen_by`"),
        (changed(CAMERA, seen_by='"D J I"'), "names no one"),
        (changed(CAMERA, run=None), "has none of run, rtmp, rtsp, socket"),
        (changed(CAMERA, rtmp='"0.0.0.0:1935/live/front"'), "has run and rtmp"),
        (changed(CAMERA, sound='"on"'), "source 1 has the key sound, which does not exist"),
        (CAMERA + '\nseen-by = "dji"', "source 1 has the key seen_by twice"),
        (changed(CAMERA, gives=None), "does not say what the command gives"),
        (changed(CAMERA, gives='"mjpeg"'), "Invalid enum value 'mjpeg'"),
        (changed(CAMERA, gives='"rtp"'), "no word of its command has {port}"),
        (changed(CAMERA, run='["ffmpeg", "rtp://127.0.0.1:{port}"]'), "there is no {port}"),
        (changed(CAMERA, run='"rpicam-vid -o -"'), "Expected `array"),
        (changed(CAMERA, run='["rpicam-vid -o -"]'), "one word with spaces"),
        (changed(CAMERA, run="[]"), "names no program"),
        (changed(CAMERA, run='["a", ' + '"b", ' * 200 + "]"), "too long"),
        (changed(CAMERA, credentials='"/etc/zegel/s"'), "run takes no credentials"),
        (changed(PUSHED, rtmp='"1935/live/front"'), "no address to listen at"),
        (changed(PUSHED, rtmp='"0.0.0.0:1935/front"'), "no address to listen at"),
        (changed(PUSHED, rtmp='"0.0.0.0:99999/live/front"'), "no address to listen at"),
        (changed(PUSHED, rtmp='"box.local:1935/live/front"'), "no address to listen at"),
        (changed(PUSHED, rtmp='"[fd00:1935/live/front"'), "no address to listen at"),
        (changed(PUSHED, rtmp='"me@0.0.0.0:1935/live/front"'), "no address to listen at"),
        (changed(PUSHED, rtmp='"rtmps://0.0.0.0:1935/live/front"'), "no address to listen at"),
        (changed(PUSHED, gives='"h264"'), "said by its publisher"),
        (changed(FETCHED, rtsp='"rtsp://me:secret@192.168.1.10/live"'), "has a user or a password in it"),
        (changed(FETCHED, rtsp='"http://192.168.1.10/live"'), "is no address"),
        (changed(FETCHED, rtsp='"rtsp://192.168.1.10/\'live"'), "is no address"),
        (changed(FETCHED, rtsp='"rtsp://192.168.1.10/live\\nfile x"'), "is no address"),
        (changed(FETCHED, rtsp='"rtsp://[192/live"'), "is no address"),
        (changed(FETCHED, gives='"ts"'), "RTSP gives h264 or h265"),
        (changed(FETCHED, credentials='"front.secret"'), "no full path"),
        (changed(FED, socket='"../x"'), "names no vendor process"),
        (changed(FED, gives=None), "does not say what its process gives"),
        (changed(FED, socket='"other"'), "there is no [vendor.other]"),
    ],
)
def test_a_mistake_in_a_source_is_named(tmp_path, source, said):
    assert said in wrong(tmp_path, source, more=FEEDER)


def test_no_message_holds_a_password(tmp_path):
    for rtsp in (
        "rtsp://me:secret@192.168.1.10/live",
        "rtsp://me:sec[ret@192.168.1.10/live",
        "me:secret@192.168.1.10/live",
    ):
        said = wrong(tmp_path, changed(FETCHED, rtsp=f'"{rtsp}"'))
        assert "user or a password" in said
        assert "sec" not in said.partition("rtsp has")[2]


def test_no_message_holds_a_stream_key(tmp_path):
    twice = [
        changed(PUSHED, name='"x"', lane='"a"', rtmp='"0.0.0.0:1935/live/Key7"'),
        changed(PUSHED, rtmp='"0.0.0.0:1935/live/Key7"'),
    ]
    assert "Key7" not in wrong(tmp_path, *twice)
    for rtmp in ("0.0.0.0/live/Key7", "0.0.0.0:1935/live/Key7!", "box:1935/live/Key7"):
        assert "Key7" not in wrong(tmp_path, changed(PUSHED, rtmp=f'"{rtmp}"'))


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ([CAMERA, changed(PUSHED, name='"front"')], "two sources have the name front"),
        ([CAMERA, changed(PUSHED, lane='"a"')], "two sources are on lane a"),
        ([changed(PUSHED, name='"x"', lane='"a"'), PUSHED], "two sources have the same rtmp"),
        ([changed(FED, name='"x"', lane='"a"'), FED], "two sources have socket = psdk"),
    ],
)
def test_two_sources_that_exclude_each_other(tmp_path, sources, said):
    assert said in wrong(tmp_path, *sources, more=FEEDER)


def test_a_lane_has_an_endpoint_of_video(tmp_path):
    assert "video does not have" in wrong(tmp_path, PUSHED, head=HEAD + 'video = ["udpin:127.0.0.1:5602"]\n')


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("[vendor.Psdk]\nrun = ['/x']\n", "vendor.Psdk: this is no name"),
        ("[vendor.psdk]\n", "missing required field `run`"),
        ('[vendor.psdk]\nrun = ["/x", "a\\nb"]\n', "a control character"),
        ("[vendor.psdk]\nrun = ['feeder']\n", "without its folder"),
        ("[vendor.psdk]\nrun = ['/x']\nuser = 'root'\n", "vendor.psdk has the key user"),
        ("[vendor.psdk]\nrun = ['/x']\ninterface = 'lo'\n", "'lo' is no interface"),
        ("[vendor.psdk]\nrun = ['/x']\ninterface = 'eth1 wlan0'\n", "is no interface"),
        ("[vendor.psdk]\nrun = ['/x']\ndevices = ['/etc/shadow']\n", "is no device node"),
        ("[vendor.psdk]\nrun = ['/x']\ndevices = ['/dev/../etc/shadow']\n", "is no device node"),
        ("[vendor]\npsdk = 7\n", "Expected `object`"),
    ],
)
def test_a_mistake_in_a_vendor_is_named(tmp_path, table, said):
    assert said in wrong(tmp_path, more=table)


def test_a_later_file_replaces_the_sources(tmp_path):
    (tmp_path / "air.d").mkdir()
    (tmp_path / "air.d/50-setup.toml").write_text(f"[[source]]\n{PUSHED}\n")
    assert [source.name for source in read(tmp_path, CAMERA).source] == ["box"]


def test_a_ground_has_no_sources(tmp_path):
    file = tmp_path / "ground.toml"
    file.write_text(f'station = "s"\norder = "o"\n[[source]]\n{CAMERA}\n')
    with pytest.raises(ConfigError, match="is for zegel air"):
        config.load_file(config.GroundConfig, file)


def test_a_process_with_keys_that_reads_the_tables_loads_nothing_else_of_the_sources():
    program = (
        "import sys, gateway.air.command; print(*(name for name in sys.modules if name.startswith('gateway.sources')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["gateway.sources", "gateway.sources.tables"]
