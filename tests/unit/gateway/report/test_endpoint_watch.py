from __future__ import annotations

from gateway.endpoints import open_endpoint
from gateway.endpoints.address import parse
from gateway.report.endpoint_watch import EndpointWatch


def test_an_outage_is_told_once_and_so_is_its_end(tmp_path):
    path, said = tmp_path / "ttyNONE", []
    line = open_endpoint(parse(f"serial:{path}:57600"))
    watch = EndpointWatch([line], said.append)
    for tick in range(100):
        line.tick(tick / 10)
        watch.look(tick / 10)
    assert len(said) == 1
    assert said[0].startswith(f"serial:{path}:57600 is down: ")
    assert "ttyNONE" in said[0]
    line.close()  # no more reconnecting: closed by us
    watch.look(11.0)
    watch.look(12.0)
    assert said[1:] == [f"serial:{path}:57600 is back"]


def test_a_short_outage_is_not_told(tmp_path):
    said = []
    line = open_endpoint(parse(f"serial:{tmp_path}/ttyNONE:57600"))
    watch = EndpointWatch([line], said.append)
    for tick in range(25):
        line.tick(tick / 10)
        watch.look(tick / 10)
    line.close()
    watch.look(2.6)
    assert said == []
