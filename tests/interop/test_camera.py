"""MAVSDK's camera, which announces a stream by `rtsp://`, and its ground control station: straight, and through zegel."""

from __future__ import annotations

import pytest

from tests.interop.chain import Chain, Sealed, Straight, ending

peers = pytest.importorskip("tests.interop.mavsdk_peers", reason="needs mavsdk (pip install '.[interop]')")

pytestmark = pytest.mark.peers

AROUND = "rtsp://127.0.0.1:8554/day"
KEPT = "alarm: kept aboard: VIDEO_STREAM_INFORMATION, once: "


def told(chain: Chain) -> str | None:
    """The address of the stream as the ground control station has it; None if the answer stayed aboard."""
    camera, gcs = peers.CameraServer(chain.fc_port, AROUND), peers.GroundStation(chain.gcs_port)
    with ending(gcs, camera, chain):
        chain.wait_open()
        return peers.stream_address(gcs.meet_camera(), lambda: isinstance(chain, Sealed) and KEPT in chain.logs())


def test_a_camera_with_an_rtsp_address_is_stopped(house):
    assert told(Straight()) == AROUND
    assert told(Sealed(house)) is None


def test_on_request_its_address_becomes_the_stations_own_port(house):
    rewritten = Sealed(house, air=("--rewrite",))
    assert told(rewritten) == str(rewritten.video_port)
    assert KEPT not in rewritten.logs()
