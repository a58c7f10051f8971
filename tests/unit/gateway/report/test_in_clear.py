from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gateway.endpoints import open_endpoint
from gateway.endpoints.address import parse
from gateway.report import in_clear
from gateway.report.alarms import Alarms

ROOT = Path(__file__).parents[4]
HERE = (
    *(
        "serial:/dev/ttyAMA0:921600",
        "/dev/ttyACM0",
        "udpout:127.0.0.1:14550",
        "udpin:127.0.0.1:14560",
        "tcp:localhost:5760",
    ),
    *("tcpin:[::1]:5760", "udpout:127.8.8.8:1", "udpout:[::ffff:127.0.0.1]:1", "udpin:LOCALHOST:14550"),
)
ELSEWHERE = {
    "udpout:192.168.10.2:14550": "udpout:192.168.10.2:14550",
    "tcp:192.168.10.2:5760": "tcp:192.168.10.2:5760",
    "udpout:tablet.local:14550": "udpout:tablet.local:14550",  # a name may lead anywhere
    "udpout:localhost.example:14550": "udpout:localhost.example:14550",
    "udpout:239.255.1.1:5600": "udpout:239.255.1.1:5600",  # multicast
    "udpout:255.255.255.255:14550": "udpout:255.255.255.255:14550",
    "udpout:[fe80::1%wlan0]:14550": "udpout:[fe80::1%wlan0]:14550",
    "udpin:0.0.0.0:14550": "anyone who reaches udpin:0.0.0.0:14550",
    "udps::14550": "anyone who reaches udpin:0.0.0.0:14550",
    "tcpin:[::]:5760": "anyone who reaches tcpin:[::]:5760",
    "udpin:192.168.1.5:14550": "anyone who reaches udpin:192.168.1.5:14550",
}


def alarmed(mavlink: tuple[str, ...], video: tuple[str, ...] = ()) -> list[str]:
    said: list[str] = []
    alarms = Alarms(said.append)
    in_clear.alarm(alarms, *([open_endpoint(parse(text)) for text in texts] for texts in (mavlink, video)), 0.0)
    assert said == [f"alarm: {text}" for text in alarms.texts]
    alarms.tick(1e9)
    return alarms.texts  # it is so as long as the endpoint is there


def test_loopback_and_serial_lines_are_this_computers_own():
    assert alarmed(HERE, HERE) == []


@pytest.mark.parametrize("text", ELSEWHERE)
def test_whatever_can_lead_to_another_computer_is_alarmed(text):
    assert alarmed((text,)) == [f"telemetry and commands are in clear between this computer and {ELSEWHERE[text]}"]
    assert alarmed((), (text,)) == [f"video is in clear between this computer and {ELSEWHERE[text]}"]


def test_each_endpoint_has_its_own_alarm():
    assert len(alarmed(tuple(ELSEWHERE)[:2], tuple(ELSEWHERE)[:2])) == 4


@pytest.mark.parametrize("role", ["air", "ground"])
def test_what_is_installed_alarms_nothing(role):
    found = tomllib.loads((ROOT / f"packaging/{role}.toml").read_text())
    assert alarmed(tuple(found["gcs"]) if role == "ground" else (found["fc"],), tuple(found["video"])) == []
