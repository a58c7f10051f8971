from __future__ import annotations

import os
import socket

import pytest

from gateway.endpoints import socket_users
from gateway.endpoints.socket_users import is_here, tcp_connections, tcp_user, udp_ports
from tests.unit.gateway.endpoints.wires import no_descriptors

pytestmark = pytest.mark.skipif(not socket_users.AVAILABLE, reason="this system shows no tables of sockets")
HOST = "127.0.0.1"


@pytest.mark.parametrize(
    ("family", "host"),
    [(socket.AF_INET, HOST), (socket.AF_INET, ""), (socket.AF_INET, "127.0.0.9"), (socket.AF_INET6, "::1")],
)
def test_a_udp_port_is_its_users_at_whatever_address(family, host):
    with socket.socket(family, socket.SOCK_DGRAM) as made:
        made.bind((host, 0))
        port = made.getsockname()[1]
        assert udp_ports()[port] == {os.geteuid()}
    assert port not in udp_ports()


@pytest.mark.parametrize(("listens", "connects"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")])
def test_a_connection_is_its_users_until_it_is_closed(listens, connects):
    family = socket.AF_INET6 if ":" in listens else socket.AF_INET
    with socket.create_server((listens, 0), family=family, dualstack_ipv6=listens == "::") as server:
        client = socket.create_connection((connects, server.getsockname()[1]))
        ours, theirs = server.accept()
        with ours:
            assert tcp_user(tcp_connections(), theirs, ours.getsockname()) == os.geteuid()
            client.close()
            assert tcp_user(tcp_connections(), theirs, ours.getsockname()) is None, "Linux says 0, which is not root"


def test_a_connection_that_no_program_has_accepted_has_no_user():
    with socket.create_server((HOST, 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert tcp_user(tcp_connections(), server.getsockname(), client.getsockname()) is None
        with server.accept()[0]:
            assert tcp_user(tcp_connections(), server.getsockname(), client.getsockname()) == os.geteuid()


def test_a_socket_without_a_program_has_no_user(tmp_path, monkeypatch):
    row = "  1: 0100007F:{port:04X} 00000000:0000 07 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 2 0 0\n"
    (tmp_path / "udp").write_text("  sl  local_address\n" + "".join(row.format(**one) for one in ROWS))
    monkeypatch.setattr(socket_users, "NET", tmp_path)
    assert udp_ports() == {14550: {None}, 5600: {1000, 1001}}


ROWS = (
    {"port": 14550, "uid": 0, "inode": 0},
    {"port": 5600, "uid": 1000, "inode": 7},
    {"port": 5600, "uid": 1001, "inode": 8},
)


def test_tables_that_are_not_there_are_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(socket_users, "NET", tmp_path)
    with pytest.raises(OSError, match="udp"):
        udp_ports()
    with pytest.raises(OSError, match="tcp"):
        tcp_connections()


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ((HOST, 1), True),
        (("127.7.7.7", 1), True),
        (("::1", 1, 0, 0), True),
        (("::ffff:127.0.0.1", 1, 0, 0), True),
        (("192.0.2.1", 1), False),
        (("2001:db8::1", 1, 0, 0), False),
    ],
)
def test_whether_an_address_is_one_of_this_computers(address, here):
    assert is_here(address) is here


def test_an_address_that_cannot_be_told_counts_as_here():
    """Else a stranger who uses up the descriptors (connections to the feed) would pass for a remote peer."""
    with no_descriptors():
        assert is_here(("192.0.2.1", 1))
    assert not is_here(("192.0.2.1", 1))


def test_an_address_of_an_interface_is_here():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        try:
            made.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this computer has no network")
        assert is_here((made.getsockname()[0], 14550))
