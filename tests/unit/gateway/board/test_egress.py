from __future__ import annotations

import argparse
import shutil

import pytest

from gateway.board import egress, nftables
from gateway.board.egress import read
from gateway.errors import ConfigError

NOTHING = argparse.Namespace(interface=None, user="4711")


def guard(tmp_path, text: str):
    path = tmp_path / "egress.toml"
    path.write_text(text)
    return read(path, NOTHING)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('interfaces = ["usb0"]', "has the key interfaces, which does not exist"),
        ('port = [1]\n[[allow]]\nwhy = "x"\nto_prot = 5', "allow 1 has the key to_prot, which does not exist"),
        ('port = [1]\nallow = ["x"]', "Expected `object`, got `str`"),
        ('interface = ["lo"]', "lo is no ground link"),
        ('interface = ["usb0\\" accept"]', "is no interface"),
        ("port = [70000]", "a number from 1 to 65535"),
        ('port = [1]\n[[allow]]\nwhy = "x"', "would permit everything"),
        ('port = [1]\n[[allow]]\nwhy = "x"\nprotocol = "udp"', "would permit all udp"),
        ('port = [1]\n[[allow]]\nwhy = "x"\nuser = "root"\nto_port = 5', "not whether tcp or udp"),
        ('port = [1]\n[[allow]]\nwhy = "x\\""\nprotocol = "ping"', "letters and digits"),
        ('port = [1]\n[[allow]]\nwhy = "x"\nprotocol = "ping"\nto = "nowhere"', "no network"),
        ('port = [1]\n[[allow]]\nwhy = "x"\nprotocol = "ping"\nto = "fe80::1%wlan0"', "no address with an interface"),
        ('port = [1]\n[[allow]]\nwhy = "x"\nprotocol = "ping"\nto = "fe80::1%x accept; flush ruleset"', "an interface"),
        ('port = [1]\n[[allow]]\nwhy = "x"\nprotocol = "ping"\nuser = "root"', "the kernel answers pings"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said) as error:
        guard(tmp_path, text)
    assert error.value.hint


def test_a_user_that_does_not_exist_is_an_error(tmp_path):
    path = tmp_path / "egress.toml"
    path.write_text('interface = ["usb0"]')
    with pytest.raises(ConfigError, match="no user nobody-of-that-name"):
        read(path, argparse.Namespace(interface=None, user="nobody-of-that-name"))


def test_zegel_is_judged_first_then_the_holes_and_what_no_program_sent_last(tmp_path):
    text = (
        'interface = ["usb0"]\nport = [14600]\n[[allow]]\nwhy = "SSH"\nprotocol = "tcp"\nfrom_port = 22\nto = "10.0.0.0/8"'
    )
    found, notes = guard(tmp_path, text)
    assert notes == []
    rules = nftables.rule_set(found, found.interfaces)
    words = ("skuid 4711 counter accept", '"SSH"', "skuid != 4711 counter drop", "arp", "forwarded")
    order = [rules.index(word) for word in words]
    assert order == sorted(order)
    assert "ip daddr 10.0.0.0/8 meta l4proto tcp tcp sport 22 counter accept" in rules
    assert "DHCP" not in nftables.rule_set(guard(tmp_path, 'interface = ["usb0"]\nsetup = false')[0], ())


def test_interfaces_are_derived_from_the_links_of_a_role_and_it_is_said(tmp_path, monkeypatch):
    if shutil.which("ip") is None:
        pytest.skip("needs ip: apt install iproute2")
    role = tmp_path / "air.toml"
    monkeypatch.setattr(egress, "ROLES", (role,))
    role.write_text('link = ["udpout:127.0.0.1:14600", "serial:/dev/ttyUSB0:57600"]')
    found, notes = guard(tmp_path, "")
    assert (found.interfaces, found.ports) == ((), (14600,))
    assert "its port 14600 is guarded" in notes[0]
    assert "any user that may open /dev/ttyUSB0" in notes[1]
    role.write_text('link = ["udpin:0.0.0.0:14600"]')
    with pytest.raises(ConfigError, match="listens on every interface"):
        guard(tmp_path, "")


def test_of_an_address_with_an_interface_a_rule_gets_what_was_checked(tmp_path):
    with pytest.raises(ConfigError) as error:
        guard(tmp_path, 'port = [1]\n[[allow]]\nwhy = "x"\nprotocol = "ping"\nto = "fe80::1%wlan0"')
    assert error.value.hint == 'two keys: to = "fe80::1" and interface = "wlan0"'
    text = 'port = [1]\n[[allow]]\nwhy = "x"\nprotocol = "udp"\nto_port = 5\nto = "fe80::1"\ninterface = "wlan0"'
    rules = nftables.rule_set(guard(tmp_path, text)[0], ())
    assert 'oifname "wlan0" ip6 daddr fe80::1 meta l4proto udp udp dport 5' in rules


def test_a_link_that_names_its_interface_leads_there(tmp_path, monkeypatch):
    air = tmp_path / "air.toml"
    air.write_text('link = ["udpout:[fe80::1%wlan0]:14600"]')
    monkeypatch.setattr(egress, "ROLES", (air,))
    found, notes = guard(tmp_path, "")
    assert found.interfaces == ("wlan0",)
    assert notes[0] == f"{air}: udpout:[fe80::1%wlan0]:14600: by the interface that it names"
