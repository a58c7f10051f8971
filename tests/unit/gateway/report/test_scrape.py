"""Who asks `zegel metrics`: Prometheus, browsers that were made to, and whoever can connect."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from gateway.report import scrape
from tests.unit.gateway.endpoints.wires import HOST, until

BODY = "zegel_up 1\n"


@pytest.fixture
def port(monkeypatch) -> Iterator[int]:
    monkeypatch.setattr(scrape, "ASK_WITHIN_S", 2.0)
    with scrape.server(HOST, 0, lambda: BODY) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made.server_port
        made.shutdown()
        thread.join()


def answer(port: int, request: bytes) -> str:
    with socket.create_connection((HOST, port), 10) as made:
        made.sendall(request)
        return everything(made)


def everything(made: socket.socket) -> str:
    heard = b""
    try:
        while data := made.recv(1 << 16):
            heard += data
    except ConnectionError:
        pass
    return heard.decode()


def asked(port: int, *hosts: str, path: str = "/metrics") -> str:
    lines = [f"GET {path} HTTP/1.1", *(f"Host: {host}" for host in hosts)]
    return answer(port, ("\r\n".join(lines) + "\r\n\r\n").encode())


@pytest.mark.parametrize("host", [HOST, f"{HOST}:9477", "localhost", "LOCALHOST:1", "[::1]:9477", "127.9.9.9"])
def test_a_client_that_asks_by_this_computers_address_is_answered(port, host):
    text = asked(port, host)
    assert " 200 " in text.splitlines()[0]
    assert text.endswith(BODY)
    assert " 404 " in asked(port, host, path="/status")


FOREIGN = (
    *(
        "evil.example",
        "evil.example:9477",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.168.1.5",
        "10.0.0.1:80",
    ),
    *("", "a b", "[::1", "localhost:1:2", "@localhost", "[fe80::1]", "[::]", "127.1"),
)
RUBBISH = (
    *(b"\r\n\r\n", b"GET\r\n\r\n", bytes(3000), b"\x16\x03\x01" + bytes(600), b"GET / HTTP/9.9\r\n\r\n"),
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 500 + b"\r\n",
    b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000 + b"\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
)


@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_name_is_refused(port, host):
    text = asked(port, host)
    assert " 421 " in text.splitlines()[0]
    assert BODY not in text


def test_one_host_and_no_other(port):
    for hosts in ((), ("localhost", "localhost"), ("localhost", "evil.example")):
        assert " 421 " in asked(port, *hosts).splitlines()[0]


def test_the_address_that_was_bound_is_meant():
    assert scrape.names_us("192.168.1.5:9477", "192.168.1.5")
    assert not scrape.names_us("192.168.1.5:9477", "192.168.1.6")


@pytest.mark.parametrize("rubbish", RUBBISH, ids=range(len(RUBBISH)))
def test_rubbish_gets_no_metrics(port, rubbish):
    assert BODY not in answer(port, rubbish)
    assert asked(port, "localhost").endswith(BODY)


def test_a_client_that_says_it_letter_by_letter_is_disconnected_and_others_are_served_meanwhile(port):
    with socket.create_connection((HOST, port), 10) as slow:
        done = threading.Event()

        def letters() -> None:
            try:
                while not done.is_set():
                    slow.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                pass

        thread = threading.Thread(target=letters)
        thread.start()
        assert asked(port, "localhost").endswith(BODY)
        assert everything(slow) == ""  # it ends, though there was never a pause
        done.set()
        thread.join()


def test_a_crowd_that_says_nothing_is_bounded_and_goes(port):
    crowd = [socket.create_connection((HOST, port), 10) for _ in range(scrape.CLIENTS_MAX + 4)]
    assert [everything(made) for made in crowd] == [""] * len(crowd)  # those too many at once, the others after a while
    until(lambda: asked(port, "localhost").endswith(BODY))
    for made in crowd:
        made.close()
