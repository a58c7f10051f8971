from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time

import msgspec
import pytest
import zmq

from gateway.descriptors import DESCRIPTORS_MAX
from gateway.errors import NotRunning
from gateway.loop import hardening
from gateway.report import log, status_socket
from gateway.report.role_status import decoded, encoded
from gateway.report.status_socket import ASKED_SIZE_MAX, Publisher, Reader, running
from tests.hostile.zmtp import Stranger
from tests.unit.gateway.endpoints.wires import until
from tests.unit.gateway.report.statuses import air, ground

READER_SIZE_MAX = 700 << 20  # bytes of address space; a thousand statuses of the largest size have more


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "zegel"


def test_what_is_published_is_read(runtime):
    status = air(name="drone 7/x")
    with Publisher("air", "drone 7/x") as publisher:
        code = "import json, gateway.report.status_socket as s; print(json.dumps(s.read_raw(10)))"
        reader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        while reader.poll() is None:
            publisher.send(status)
            time.sleep(0.05)
        (found,) = json.loads(reader.stdout.read())
    ours = {"pid": os.getpid(), "memory_locked": hardening.locked()}
    assert found == {**encoded(status), **ours}
    assert decoded(found) == msgspec.structs.replace(status, **ours)
    assert list(runtime.iterdir()) == []


def test_a_reader_that_connects_later_is_sent_the_last_one(runtime):
    with Publisher("air", "drone") as publisher:
        for name in ("earlier", "drone"):
            publisher.send(air(name=name))
        found: list[dict] = []
        reader = threading.Thread(target=lambda: found.extend(status_socket.read_raw(10)))
        reader.start()
        until(lambda: publisher.attach() or not reader.is_alive())
    assert [said["name"] for said in found] == ["drone"]


def test_a_crowd_is_disconnected_and_readers_come_back(runtime):
    with Publisher("ground", "pilot") as publisher:
        place = str(publisher.path)
        crowd = [socket.socket(socket.AF_UNIX) for _ in range(DESCRIPTORS_MAX)]
        with contextlib.suppress(ConnectionRefusedError):
            for each in crowd:
                publisher.attach()
                each.connect(place)
        until(lambda: publisher.attach() or publisher.path is None)
        for each in crowd:
            each.close()
        until(lambda: publisher.attach() or publisher.path is not None)
        publisher.send(ground())
        found: list[dict] = []
        reader = threading.Thread(target=lambda: found.extend(status_socket.read_raw(10)))
        reader.start()
        until(lambda: publisher.attach() or not reader.is_alive())
    assert [said["role"] for said in found] == ["ground"]


def test_a_reader_follows_processes_that_come_and_go(runtime):
    runtime.mkdir(mode=0o700)
    with Reader() as reader, Publisher("air", "drone-7") as first:
        reader.follow(running())
        until(lambda: first.send(air()) or [said["name"] for said in reader.read(0.05).values()] == ["drone-7"])
        with Publisher("ground", "pilot") as second:
            reader.follow(running())
            both = {"drone-7", "pilot"}
            until(
                lambda: (
                    (first.send(air()), second.send(ground()))
                    and {said["name"] for said in reader.read(0.05).values()} == both
                )
            )
        assert len(running()) == 1
        reader.follow(running())
        first.send(air())
        assert [said["name"] for said in reader.read(10, each_once=True).values()] == ["drone-7"]
        reader.follow(set())
        first.send(air())
        assert reader.read(0.05) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_a_process_that_floods_takes_no_memory_of_a_reader(tmp_path):
    flood = (
        "import sys, zmq; socket = zmq.Context().socket(zmq.PUB); socket.sndhwm = 2; socket.bind('ipc://' + sys.argv[1])\n"
        "message = bytes((1 << 20) - 1)\n"
        "print(flush=True)\n"
        "while True: socket.send(message)"
    )
    read = (
        "import pathlib, resource, sys, time; from gateway.report.status_socket import Reader\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({READER_SIZE_MAX}, {READER_SIZE_MAX}))\n"
        "with Reader() as reader: reader.follow({pathlib.Path(sys.argv[1])}); time.sleep(3); print(reader.read(1))"
    )
    path = str(tmp_path / "air-x.1")
    with subprocess.Popen([sys.executable, "-c", flood, path], stdout=subprocess.PIPE) as flooding:
        flooding.stdout.readline()
        try:
            done = subprocess.run([sys.executable, "-c", read, path], capture_output=True, text=True, check=False)
        finally:
            flooding.kill()
    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stderr


def test_what_a_killed_process_left_is_cleared_away(runtime):
    runtime.mkdir(mode=0o700)
    process = subprocess.Popen(["true"])
    process.wait()
    left, precious = runtime / f"air-drone.{process.pid}", runtime / "root.key"
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(left))
    precious.write_bytes(b"no socket of ours")
    assert status_socket.read_all(0.1) == []
    assert not left.exists()
    assert precious.exists()


def test_a_link_in_the_place_of_the_folder_is_not_followed(runtime, tmp_path):
    (tmp_path / "pilot").mkdir(mode=0o700)
    runtime.symlink_to(tmp_path / "pilot")
    with pytest.raises(NotRunning, match="not ours alone"):
        status_socket.read_all(0.1)


def test_a_folder_that_others_can_enter_is_not_used(runtime, capfd):
    runtime.mkdir(mode=0o777)
    runtime.chmod(0o777)
    with Publisher("air", "drone") as publisher:
        publisher.send(air())
    log.flush()
    assert "not ours alone" in capfd.readouterr().out
    with pytest.raises(NotRunning, match="not ours alone"):
        status_socket.read_all(0.1)


# --- strangers of this user ---


def test_what_is_sent_to_a_publisher_ends_nothing(runtime):
    with Publisher("air", "drone") as publisher:
        (path,) = runtime.iterdir()
        for messages in ((b"",), (b"\2", b"\7x"), (b"\0", b"\1" * 100), (b"\1" + bytes(ASKED_SIZE_MAX),)):
            stranger = Stranger(path)
            stranger.says(*messages)
            publisher.send(air(name="drone"))
            if len(messages[0]) > ASKED_SIZE_MAX:
                assert stranger.disconnected()
            stranger.close()
        with socket.socket(socket.AF_UNIX) as rubbish:
            rubbish.connect(str(path))
            rubbish.sendall(b"GET / HTTP/1.1\r\n\r\n")
        honest = zmq.Context()
        with honest.socket(zmq.SUB) as reader:
            reader.connect(f"ipc://{path}")
            reader.subscribe(b"")
            until(lambda: publisher.send(air(name="drone")) or bool(reader.poll(10)))
            assert json.loads(reader.recv())["name"] == "drone"
        honest.destroy(linger=0)


NO_STATUS = (b"", b"no JSON", b"\xff", b"[]", b"{}", b'{"role": "air"}', b'{"role": 1, "name": []}', b"[" * 100_000)


@pytest.mark.parametrize("said", NO_STATUS, ids=range(len(NO_STATUS)))
def test_what_is_no_status_is_left_out(runtime, said):
    runtime.mkdir(mode=0o700)
    context = zmq.Context()
    with context.socket(zmq.PUB) as false:
        false.bind(f"ipc://{runtime / f'air-false.{os.getpid()}'}")
        found: list[object] = []
        reader = threading.Thread(target=lambda: found.append(status_socket.read_raw(1.0)))
        reader.start()
        while reader.is_alive():
            false.send(said)
            time.sleep(0.02)
    context.destroy(linger=0)
    assert found == [[]]


def test_a_name_of_no_process_is_one_that_is_gone(runtime, monkeypatch):
    runtime.mkdir(mode=0o700)
    monkeypatch.chdir(runtime)  # a socket's path has 107 bytes at most
    for number in ("x", "99999999999999999999"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"air-drone.{number}")
    assert status_socket.read_all(0.1) == []
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999"])
def test_what_is_no_number_is_no_status(number):
    """A screen would make whole seconds of it, which fails."""
    said = b'{"role": "ground", "name": "pilot", "order_left_s": %s}'
    assert status_socket._read(said % b"1.5")
    assert status_socket._read(said % number) is None


def test_an_air_without_a_flight_controller_is_no_status():
    """Advice asks for the one that every air has."""
    said = encoded(air())
    assert decoded(said)
    assert decoded({**said, "endpoints": []}) is None
