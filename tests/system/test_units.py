"""The service files, as systemd's own programs judge them, and the configuration that comes with them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway import config
from gateway.config import AirConfig, GroundConfig
from gateway.endpoints.endpoint import BUFFER

PACKAGING = Path(__file__).parents[2] / "packaging"
ROLES = ("air", "ground")
UNITS = sorted(path.name for path in PACKAGING.glob("*.service"))
EXPOSURE_MAX = 2.0
RECORDER = "zegel-recorder.service"


def analyze(*words: str) -> str:
    """What systemd-analyze prints, both ways."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd")
    done = subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line(name, tmp_path):
    unit = (PACKAGING / name).read_text()
    here = tmp_path / name
    here.write_text(unit.replace("/opt/zegel/bin/zegel", "/bin/true"))  # which is not installed
    assert "\n".join(line for line in analyze("verify", str(here)).splitlines() if here.name in line) == ""


@pytest.mark.parametrize("name", [*ROLES, "console", "metrics", "recorder", "share", "source", "vendor@"])
def test_the_sandbox_is_tight(name, figure):
    said = analyze("security", "--offline=true", str(PACKAGING / f"zegel-{name}.service"))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    assert found, said
    figure(f"systemd-analyze security zegel-{name}.service: {found[1]}")
    assert float(found[1]) < EXPOSURE_MAX


@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_whose_the_ports_are(role):
    """What hides other users from a service would make every program at its plain ports one of nobody's."""
    unit = (PACKAGING / f"zegel-{role}.service").read_text()
    assert not re.findall(r"^(?:PrivateUsers|PrivateNetwork)=", unit, re.MULTILINE)


def test_both_roles_are_served_alike():
    def lines(role: str) -> list[str]:
        text = (PACKAGING / f"zegel-{role}.service").read_text().replace(role, "ROLE")
        return [line for line in text.splitlines() if line and not line.startswith(("#", "Description="))]

    shown = ("SystemCallFilter=@chown", "SupplementaryGroups=dialout video zegel-view")
    assert [line for line in lines("air") if line != f"Wants={RECORDER}"] == [
        line.removesuffix(" zegel-view") for line in lines("ground") if line != shown[0]
    ]
    assert not {*shown} - {*lines("ground")}


def test_no_service_takes_from_the_viewers_the_way_to_a_ground():
    """systemd gives the folder this mode and owner whenever one of these services starts."""
    sharing = [name for name in UNITS if ("RuntimeDirectory", "zegel") in settings(name)]
    assert {"zegel-air.service", "zegel-ground.service", "zegel-metrics.service"} <= {*sharing}
    for name in sharing:
        assert {("User", "zegel"), ("Group", "zegel"), ("RuntimeDirectoryMode", "0711")} <= {*settings(name)}
        assert ("UMask", "0077") in settings(name)


def settings(name: str) -> list[tuple[str, str]]:
    return re.findall(r"^(\w+)=(.*)$", (PACKAGING / name).read_text(), re.MULTILINE)


def test_a_recorder_that_waits_for_a_dead_card_delays_no_link():
    """Neither starts after, ends with or needs the other. What wants a unit does not wait for it."""
    tied = [(key, value) for key, value in settings("zegel-air.service") if RECORDER.removesuffix(".service") in value]
    assert tied == [("Wants", RECORDER)]
    assert not [value for _, value in settings(RECORDER) if "zegel-air" in value]


def test_a_recorder_comes_after_the_link_in_all_that_is_scarce():
    air, recorder = dict(settings("zegel-air.service")), dict(settings(RECORDER))
    for key in ("Nice", "OOMScoreAdjust"):
        assert int(recorder[key]) > int(air[key])
    assert int(recorder["WatchdogSec"]) > int(air["WatchdogSec"])


def test_a_recorder_has_no_network_and_writes_recordings_alone():
    recorder = settings(RECORDER)
    assert ("PrivateNetwork", "yes") in recorder
    assert [value for key, value in recorder if key == "RestrictAddressFamilies"] == ["AF_UNIX"]
    assert [value for key, value in recorder if key == "StateDirectory"] == ["zegel/recordings"]
    for role in ROLES:
        assert ("InaccessiblePaths", "-/var/lib/zegel/recordings") in settings(f"zegel-{role}.service")


def test_what_a_browser_is_shown_by_reads_no_key_and_reaches_this_computer_alone():
    console = settings("zegel-console.service")
    assert ("User", "zegel-view") in console
    assert ("InaccessiblePaths", "-/etc/zegel -/var/lib/zegel") in console
    assert [value for key, value in console if key.startswith("IPAddress")] == ["any", "localhost"]
    assert ("RuntimeDirectoryMode", "0750") in console
    air = dict(settings("zegel-ground.service"))
    for key in ("Nice", "OOMScoreAdjust"):
        assert int(dict(console)[key]) > int(air[key])


def test_what_shares_in_clear_reads_no_key_and_begins_only_with_its_own_file():
    share = settings("zegel-share.service")
    assert ("User", "zegel-view") in share
    assert ("InaccessiblePaths", "-/var/lib/zegel") in share
    assert ("TemporaryFileSystem", "/etc/zegel:ro") in share
    assert ("BindReadOnlyPaths", "/etc/zegel/share.toml -/etc/zegel/share") in share
    assert ("ConditionPathExists", "/etc/zegel/share.toml") in share


def test_the_system_gives_the_buffers_that_are_asked_for():
    given = dict(re.findall(r"^(\S+) = (\d+)$", (PACKAGING / "sysctl.conf").read_text(), re.MULTILINE))
    assert {name: int(value) for name, value in given.items()} == dict.fromkeys(
        ("net.core.rmem_max", "net.core.wmem_max"), BUFFER
    )


@pytest.mark.parametrize(("role", "kind"), [("air", AirConfig), ("ground", GroundConfig)])
def test_the_configuration_that_is_installed_works_and_names_every_key(role, kind, tmp_path):
    text = (PACKAGING / f"{role}.toml").read_text()
    settings = config.load_file(kind, PACKAGING / f"{role}.toml")
    plain, tables = re.split(r"^(?=# \[)|\Z", text, maxsplit=1, flags=re.MULTILINE)
    named = set(re.findall(r"^(?:# )?(\w+) = ", plain, re.MULTILINE))
    named |= set(re.findall(r"^# \[+(\w+)", tables, re.MULTILINE))
    assert named == set(kind.__struct_fields__)
    everything = re.sub(r"^# (\w+ = )", r"\1", text, flags=re.MULTILINE).replace('tuning = "', '# tuning = "')
    everything = re.sub(r"^# (\[.+\])$", r"\1", everything, flags=re.MULTILINE)
    (tmp_path / f"{role}.toml").write_text(everything)
    whole = config.load_file(kind, tmp_path / f"{role}.toml")
    assert not isinstance(whole, AirConfig) or [source.way for source in whole.source] == ["run", "socket"]
    assert (whole.mtu, whole.batch, whole.buffer_kib) == (settings.mtu, settings.batch, settings.buffer_kib)
