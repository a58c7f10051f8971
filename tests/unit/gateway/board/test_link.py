from __future__ import annotations

import os
import socket

import pytest

from gateway import config
from gateway.board import link
from gateway.board.finding import State
from gateway.board.subject import Subject
from gateway.config import GroundConfig
from gateway.endpoints.socket_users import AVAILABLE
from keys.commands.account import Account
from tests.system.users import acting_as

OTHER = 4712 if os.geteuid() == 0 else os.geteuid()  # root may be at every plain endpoint
SERVICE = Account("zegel", 4711, 4711)
pytestmark = pytest.mark.skipif(not AVAILABLE, reason="this system does not tell whose a port is")


@pytest.fixture
def gcs():
    """A ground control station of another user's than the service's."""
    if os.geteuid() == 0:
        with acting_as(OTHER):
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    else:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with made:
        made.bind(("127.0.0.1", 0))
        yield made


def found(tmp_path, gcs, plain_users: str):
    path = tmp_path / "ground.toml"
    port = gcs.getsockname()[1]
    path.write_text(f'station = "x"\norder = "y"\nvideo = []\ngcs = ["udpout:127.0.0.1:{port}"]\n{plain_users}\n')
    settings = config.load_file(GroundConfig, path)
    (finding,) = link._programs(Subject(role="ground", path=path, settings=settings, user=SERVICE))
    return finding


def test_a_ground_control_station_that_would_be_kept_out_is_named_with_the_line_that_lets_it_in(tmp_path, gcs):
    finding = found(tmp_path, gcs, "")
    assert finding.state is State.DO
    assert f"(uid {OTHER}), who is not allowed" in finding.text
    assert f"{tmp_path}/ground.d/50-setup.toml" in finding.cure
    assert found(tmp_path, gcs, f"plain_users = [{OTHER}]").state is State.OK
