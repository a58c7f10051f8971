"""The words of `zegel console`."""

from __future__ import annotations

import socket

import pytest

from gateway import cli
from gateway.console import command
from gateway.console.token_file import TokenFile


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.mark.parametrize("address", ["0.0.0.0:8088", "192.0.2.7:8088", "[2001:db8::1]:8088", "example.org:8088", ":::8088"])
def test_another_address_is_refused_with_the_reason(address, capsys, figure):
    assert cli.main(["console", "--port", address]) == 2
    said = capsys.readouterr().err.splitlines()
    figure(f"console's door | --port {address} | {said[0].removeprefix('zegel: ')}")
    assert "only on this computer" in said[0]
    assert "WebCodecs" in said[1]
    assert "station of its own" in said[1]


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "x", "127.0.0.1:", "127.0.0.1:x", "\u0661"])
def test_what_is_no_port_is_told(port, capsys):
    assert cli.main(["console", "--port", port]) == 2
    assert "no port" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["8099", "127.0.0.1:8099", "localhost:8099", "[::1]:8099"])
def test_an_address_of_this_computer_is_a_port(port):
    assert command._port(port) == 8099


def test_no_console_has_no_link(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("gateway.console.token_file.SERVICE", tmp_path / "not-there")
    assert cli.main(["console", "--link"]) == 4
    assert "zegel console starts one" in capsys.readouterr().err


def test_the_link_is_printed_and_no_browser_is_opened_without_a_display(capsys, monkeypatch):
    with TokenFile() as tokens, socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        tokens.tell(port)
        token = tokens.read()
        assert cli.main(["console", "--link"]) == 0
        assert capsys.readouterr().out == f"http://127.0.0.1:{port}/?token={token}\n"
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for name in command.DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    command._open("link")
    monkeypatch.setenv("DISPLAY", ":0")
    command._open("link")
    assert opened == ["link"]


def test_a_map_that_is_none_is_told_before_anything_listens(capsys, tmp_path):
    assert cli.main(["console", "--map", str(tmp_path / "none.mbtiles")]) == 2
    assert "none.mbtiles cannot be read: No such file" in capsys.readouterr().err
