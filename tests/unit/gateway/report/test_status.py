from __future__ import annotations

import json

import pytest

from gateway import cli
from gateway.core.refusal import Refusal
from gateway.core.session_state import SessionState
from gateway.endpoint_state import State
from gateway.report import status
from gateway.report.role_status import Use, encoded
from gateway.report.status import text
from tests.unit.gateway.report.published import published
from tests.unit.gateway.report.statuses import KEPT, LOST, air, end, feed, ground, session


def test_a_status_of_another_version_costs_itself(tmp_path, monkeypatch, capsys):
    """It lacks what this version shows; the others are shown all the same, and --json has everything."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    older = {"role": "ground", "name": "pilot", "sealed": True, "operation": "Night Watch"}
    bad = {"role": "air", "name": "drone-7\x1b[2J"}
    newer = encoded(ground(name="observer")) | {"sessions": [{"state": "resumed"}]}
    with published(tmp_path / "zegel", older, newer, bad, encoded(air(name="drone-8"))):
        assert cli.main(["status"]) == 0
        shown = capsys.readouterr().out
        assert cli.main(["status", "--json"]) == 0
        as_json = json.loads(capsys.readouterr().out)
    assert shown.count("it is another version's") == 3
    assert "air drone-8: sealed" in shown
    assert "\x1b" not in shown
    assert [said["name"] for said in as_json] == ["drone-7\x1b[2J", "drone-8", "observer", "pilot"]
    assert {"schema": 1, **older, "wrong": None} in as_json


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (air(), "air drone-7: sealed"),
        (air(sealed=False), "air drone-7: no link: nothing is sent"),
        (air(), "  session    aaaaaaaa  boot 5  epoch 0"),
        (air(), "  datagrams  video_a 3"),
        (air(lanes={}), "  datagrams  none yet"),
        (air(), "  vehicle    1/1: 20 frames, 1 lost before they came here"),
        (
            air(endpoints=[end(Use.FC, **LOST), end(Use.LINK)]),
            "  fc         the-fc  reconnecting, it is gone: was it unplugged?",
        ),
        (air(), "  link       the-link  connected, in 9/s 0 kbit/s, out 0/s 0 kbit/s"),
        (air(drops={"late": 0}), "  dropped    nothing"),
        (air(drops={"late": 2, "link_full": 1}), "  dropped    late 2, link_full 1"),
        (air(kept_back=KEPT), "  kept back  REQUEST_X, 1 times, from a"),
        (air(unexpected={"here:1 KeyError": 2}), "  unexpected here:1 KeyError: 2"),
        (air(memory_locked=False), "  memory     not locked, so keys may reach swap"),
        (air(alarms=["an alarm"]), "  alarm      an alarm"),
        (air(drops={"stale_echo": 2}), "  wrong      2 commands came too late and were refused:"),
        (ground(), "ground pilot: open"),
        (ground(sealed=False), "ground pilot: nothing to open"),
        (ground(), "  session    aaaaaaaa  drone-7, system 1  boot 5  open; commands go up"),
        (
            ground(sessions=[session(SessionState.SILENT, systems=[], refusal=Refusal.ENDED)]),
            "  session    aaaaaaaa  drone-7, system not known  boot 5  silent; the session is over or silent",
        ),
        (ground(endpoints=[end(Use.LINK, loss_percent=1.5, clients=["a", "b"])]), "0 kbit/s, 1.5 % lost, for a b"),
        (ground(drops={"not_granted": 4}), "  for others 4 datagrams of lanes that this station's role does not have"),
        (ground(misrouted={"X to system 0": 1}), "  kept back  X to system 0, 1 times: for no one aircraft"),
        (ground(foreign={"drone-7": {"others": 3}}), "  foreign    drone-7: others, 3: list it to let it pass"),
        (
            ground(feed=feed(refused=2)),
            "  feed       tcp://127.0.0.1:5700  idle, subscribed: no program, refused: 2 messages",
        ),
        (ground(endpoints=[end(Use.PLAYER, state=State.IDLE)]), "  player     the-player  idle, in"),
    ],
)
def test_what_a_person_sees(status, line):
    assert line in text(status)


def test_the_json_has_its_form_and_what_is_wrong():
    said = status._for_programs(encoded(ground(order_left_s=540.0)))
    assert (next(iter(said)), said["schema"]) == ("schema", 1)
    assert said["wrong"].startswith("the order ends in 9 minutes")
    assert said["order_ends"] == 1_800_000_000
    assert status._for_programs({"role": "ground", "name": "x"})["wrong"] is None


def test_one_of_several_is_shown_by_its_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with published(tmp_path / "zegel", encoded(ground(name="observer")), encoded(ground()), encoded(air())):
        assert cli.main(["status", "observer"]) == 0
        shown = capsys.readouterr().out
        assert "ground observer: open" in shown
        assert "pilot: " not in shown
        assert cli.main(["status", "pilot", "drone-7", "--json"]) == 0
        assert {said["name"] for said in json.loads(capsys.readouterr().out)} == {"pilot", "drone-7"}
        assert cli.main(["status", "pilots"]) != 0
        assert "here run drone-7, observer, pilot" in capsys.readouterr().err
