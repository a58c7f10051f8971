"""[[contain]] of egress.toml: what a network of a controller reaches. tests/system/test_contain.py loads the rules."""

from __future__ import annotations

import pytest

from gateway.board import contain, egress, nftables
from gateway.board.contain import Contained, Ports
from gateway.errors import ConfigError
from tests.unit.gateway.board.test_egress import NOTHING, guard

AIR = 'device = "drone-7"\nlink = ["udpout:10.1.0.2:14600"]\n'
PUSHED = '[[source]]\nname = "front"\nlane = "a"\nseen_by = "dji"\nrtmp = "0.0.0.0:1935/live/front"\n'
FETCHED = '[[source]]\nname = "mast"\nlane = "b"\nseen_by = ""\nrtsp = "rtsp://10.5.0.2/live/1"\n'
APP = 'fc = "udpin:0.0.0.0:14560"\nvideo = ["udpin:127.0.0.1:5602", "udpin:10.5.0.1:5606"]\n'


def box(tmp_path, air: str, more: str = "", links: str = '["modem"]') -> tuple[Contained, list[str]]:
    (tmp_path / "air.toml").write_text(AIR + air)
    found, notes = guard(tmp_path, f'interface = {links}\n[[contain]]\ninterface = "eth1"\n{more}')
    return found.contained[0], notes


@pytest.mark.parametrize(
    ("air", "ports"),
    [
        (PUSHED, Ports(tcp=(1935,))),
        (PUSHED.replace("0.0.0.0:", "127.0.0.1:"), Ports()),
        (APP, Ports(udp=(5606, 14560))),
        ('fc = "tcpin:10.5.0.1:5760"\n', Ports(tcp=(5760,))),
        ('fc = "udpin:localhost:5760"\n', Ports()),
    ],
)
def test_the_ports_are_those_of_the_sources_and_of_plain_endpoints_that_a_network_reaches(tmp_path, air, ports):
    assert box(tmp_path, air)[0] == Contained(interface="eth1", ports=ports)


def test_a_source_that_fetches_is_a_program_of_its_user_to_that_server(tmp_path):
    found, _ = box(tmp_path, FETCHED, 'user = "4712"\n')
    assert (found.ports.servers, found.uid) == ((("10.5.0.2", 554),), 4712)
    rules = contain.rule_set((found,))
    assert "meta skuid 4712 ip daddr 10.5.0.2 tcp dport 554 counter accept" in rules
    with pytest.raises(ConfigError, match="no user zegel-sauce"):
        box(tmp_path, FETCHED, 'user = "zegel-sauce"\n')


@pytest.mark.parametrize(("air", "note"), [("", "no source that needs a network"), ("colour = 1\n", "has the key colour")])
def test_without_a_source_nothing_is_reached_and_it_is_said(tmp_path, air, note):
    found, notes = box(tmp_path, air)
    assert found.ports == Ports()
    assert note in notes[-1]
    assert contain.told(found, there=True) == "eth1: contained; it reaches nothing here, and no other network"
    (tmp_path / "air.toml").unlink()
    assert (
        "does not exist: the contained networks reach no port"
        in guard(tmp_path, 'interface = ["modem"]\n[[contain]]\ninterface = "eth1"')[1][-1]
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('interface = ["eth1"]\n[[contain]]\ninterface = "eth1"', "is a ground link, or is named twice"),
        (
            'port = [1]\n[[contain]]\ninterface = "eth1"\n[[contain]]\ninterface = "eth1"',
            "is a ground link, or is named twice",
        ),
        ('port = [1]\n[[contain]]\ninterface = "lo"', "lo is no ground link"),
        ('port = [1]\n[[contain]]\ninterface = "x accept; flush"', "is no interface"),
        ('port = [1]\n[[contain]]\ninterfaces = "eth1"', "contain 1 has the key interfaces"),
        ("port = [1]\n[[contain]]", "missing required field `interface`"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said) as error:
        guard(tmp_path, text)
    assert error.value.hint


def test_a_contained_network_does_not_wait_for_a_link(tmp_path, monkeypatch):
    """At boot no route leads to a station yet; the controller is there already."""
    monkeypatch.setattr(egress, "ROLES", ())
    path = tmp_path / "egress.toml"
    path.write_text('[[contain]]\ninterface = "eth1"\n')
    found, notes = egress.read(path, NOTHING)
    assert (found.interfaces, [each.interface for each in found.contained]) == ((), ["eth1"])
    assert "no ground link is known: none is guarded" in notes[0]
    assert "jump" not in nftables.rule_set(found, ())
    path.write_text("")
    with pytest.raises(ConfigError, match="no ground link is known"):
        egress.read(path, NOTHING)


def test_the_drop_comes_last_and_a_question_for_an_address_before_the_broadcasts():
    rules = contain.rule_set((Contained(interface="eth1", ports=Ports(tcp=(1935,), udp=(5606,)), dhcp=True),))
    words = (
        "ipv6 counter drop",
        "udp sport 68",
        "type != local",
        "tcp dport { 1935 }",
        "udp dport { 5606 }",
        "another port",
    )
    order = [rules.index(word) for word in words]
    assert order == sorted(order)
    assert "udp sport 68" not in contain.rule_set((Contained(interface="eth1"),))
    assert contain.rule_set(()).count("table") == 4  # made and deleted, in two families
