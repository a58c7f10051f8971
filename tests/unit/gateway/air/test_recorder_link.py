"""Air's connection to a recorder: real sockets and real children, which here are a few lines of Python."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.air import recorder_link
from gateway.air.recorder_link import SERVICE, Recorder, RecorderLink
from gateway.errors import ConfigError
from gateway.recording import handover
from gateway.recording.group import Group
from gateway.recording.handover import Armed, Clock, Close, Epoch, Session, Sign, Signed, State, Wanted
from gateway.recording.stage import Stages

SESSION = Session(bytes(16), 5.0, b"the order", b"the statement", "1.0")
WANTED, CLOCK = Wanted(0, [Group.FLIGHT]), Clock(None)
WELL = State([Group.FLIGHT], 0, "", 3600, 0, 0)
CHILD = """
import os, socket, sys
from gateway.recording import handover
end = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
told = [type(handover.from_air(end.recv(65536))).__name__ for _ in range(3)]
text = repr((os.getpid(), told, sorted(int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2), dict(os.environ)))
end.send(handover.encode(handover.State([], 0, text, None, 0, 0)))
while end.recv(65536):
    pass
"""


class Peer:
    """A recorder's end of a service's socket."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        self._listener.listen()
        self.end: socket.socket | None = None

    def accept(self) -> socket.socket:
        self.end, _ = self._listener.accept()
        self.end.settimeout(5)
        return self.end

    def told(self) -> handover.FromAir:
        assert self.end
        return handover.from_air(self.end.recv(handover.MESSAGE_MAX))

    def say(self, message: handover.FromRecorder) -> None:
        assert self.end
        self.end.send(handover.encode(message))

    def close(self) -> None:
        self._listener.close()
        if self.end:
            self.end.close()


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    made = Peer(tmp_path / "air.sock")
    yield made
    made.close()


def link_to(path: Path, sign: Callable[[bytes], bytes] = lambda _: b"", words: list[str] | None = None) -> RecorderLink:
    lines: list[str] = []
    recorder = Recorder(["/nonexistent"] if words is None else words, path)
    made = RecorderLink(recorder, sign, Stages(), lines.append)
    made.lines = lines  # type: ignore[attr-defined]
    return made


def is_connected(link: RecorderLink) -> bool:
    return link._socket is not None


def joined(link: RecorderLink, peer: Peer, now: float = 0.0) -> RecorderLink:
    link.begin(SESSION, WANTED, CLOCK)
    link.look(now)
    peer.accept()
    assert [peer.told() for _ in range(3)] == [SESSION, WANTED, CLOCK]
    return link


def test_a_recorder_that_begins_later_is_told_the_session_and_what_holds_now(peer: Peer, tmp_path: Path):
    link = joined(link_to(tmp_path / "air.sock"), peer)
    later = Armed(7, True), Wanted(9, [Group.FLIGHT, Group.VIDEO_A]), Epoch(8)
    link.tell(later[0])
    link.tell(later[1])
    link.tell(later[2], lasting=False)
    assert (peer.told(), peer.told(), peer.told()) == later
    assert peer.end
    peer.end.close()
    link.look(1.0)
    assert (is_connected(link), link.said, link.trouble) == (False, None, "the recorder is gone")
    link.look(1.1)
    peer.accept()
    assert [peer.told() for _ in range(4)] == [SESSION, later[1], CLOCK, later[0]]


def test_it_says_what_it_records_and_garbage_is_counted(peer: Peer, tmp_path: Path):
    link = joined(link_to(tmp_path / "air.sock"), peer)
    assert peer.end
    whole = handover.encode(WELL)
    for garbage in (b"\2", b"\1" + whole[1:], whole[:-1], b"\2\xc1", os.urandom(100), handover.encode(Close(0, 1))):
        peer.end.send(garbage)
    peer.say(WELL)
    link.look(1.0)
    assert (link.said, link.rejected, is_connected(link)) == (WELL, 6, True)


def test_a_header_is_signed_by_the_one_function_and_within_a_budget(peer: Peer, tmp_path: Path):
    asked: list[bytes] = []

    def sign(payload: bytes) -> bytes:
        asked.append(payload)
        return b"signed" if payload == b"ours" else b""

    link = joined(link_to(tmp_path / "air.sock", sign), peer)
    peer.say(Sign(b"ours"))
    peer.say(Sign(b"another session's"))
    link.look(0.0)
    assert (peer.told(), peer.told()) == (Signed(b"ours", b"signed"), Signed(b"another session's", b""))
    assert link.rejected == 1
    for now in range(10):
        for _ in range(10):
            peer.say(Sign(b"ours"))
        link.look(now / 1000)
    assert len(asked) == recorder_link.SIGN_BURST


def test_a_recorder_that_takes_nothing_is_left(peer: Peer, tmp_path: Path):
    link = joined(link_to(tmp_path / "air.sock"), peer)
    for number in range(30_000):
        link.tell(Epoch(number), lasting=False)
    link.look(1.0)
    assert (is_connected(link), link.trouble) == (False, "the recorder does not answer")


def test_a_recorder_that_is_silent_is_left(peer: Peer, tmp_path: Path):
    link = joined(link_to(tmp_path / "air.sock"), peer)
    link.look(recorder_link.BEGINS_WITHIN_S - 1)
    assert is_connected(link)
    peer.say(WELL)
    link.look(20.0)
    link.look(20.0 + recorder_link.SILENT_AFTER_S + 1)
    assert (is_connected(link), link.trouble) == (False, "the recorder does not answer")


def test_where_only_a_service_records_air_waits_for_it_and_starts_none(tmp_path: Path):
    """At the start of a board its unit may begin later."""
    link = link_to(tmp_path / "air.sock", words=[])
    link.begin(SESSION, WANTED, CLOCK)
    link.look(0.0)
    assert (is_connected(link), link.trouble) == (False, "no recorder can be reached: No such file or directory")
    peer = Peer(tmp_path / "air.sock")
    link.look(100.0)
    peer.accept()
    assert peer.told() == SESSION
    peer.close()


def test_the_service_of_the_package_starts_no_recorder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/zegel")
    assert recorder_link.recorder(None, "/card") == Recorder(folder="/card")
    with pytest.raises(ConfigError, match=r"zegel-recorder\.service records for this service"):
        recorder_link.recorder(None, "/card", tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/another")
    found = recorder_link.recorder(Path("air.toml"), "/card")
    assert [*found.words][-5:] == ["recorder", "--config", "air.toml", "--folder", "/card"]
    assert (found.service, found.folder) == (SERVICE, "/card")


def test_in_a_folder_that_a_person_named_no_service_records(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    found, folder = recorder_link.recorder(None, "/card", Path("mine")), tmp_path / "mine"
    assert [*found.words][-3:] == ["recorder", "--folder", str(folder)]
    assert (found.service, found.folder, folder.is_dir()) == (None, str(folder), True)
    link = RecorderLink(found._replace(words=[sys.executable, "-c", CHILD]), lambda _: b"", Stages(), lambda _: None)
    link.begin(SESSION, WANTED, CLOCK)
    until(link, lambda: link.said is not None)
    link.end()


def test_the_end_of_the_session_is_said(peer: Peer, tmp_path: Path):
    link = joined(link_to(tmp_path / "air.sock"), peer)
    link.end(Close(5, 1))
    assert peer.told() == Close(5, 1)
    assert peer.end
    assert peer.end.recv(100) == b""
    link.look(100.0)
    assert not is_connected(link)


def until(link: RecorderLink, found: Callable[[], bool]) -> None:
    for _ in range(2000):
        link.look(time.monotonic())
        if found():
            return
        time.sleep(0.01)
    raise AssertionError(f"it did not come to this: {link.trouble}")


def child_of(link: RecorderLink) -> tuple[int, list[str], list[int], dict[str, str]]:
    until(link, lambda: link.said is not None)
    assert link.said
    return eval(link.said.text)  # noqa: S307 - our own child wrote it


def test_a_child_inherits_one_descriptor_and_is_started_again_when_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    link = link_to(tmp_path / "no.sock", words=[sys.executable, "-c", CHILD])
    link.begin(SESSION, WANTED, CLOCK)
    with (tmp_path / "secret").open("wb"):  # a descriptor of air's
        first, told, descriptors, environment = child_of(link)
    assert told == ["Session", "Wanted", "Clock"]
    assert len(descriptors) == 2  # the socket, and that of listdir
    assert "NOTIFY_SOCKET" not in environment
    for _ in range(2):
        os.kill(first, signal.SIGKILL)
        until(link, lambda: link.said is None)
        second, told, *_ = child_of(link)
        assert second != first
        assert told == ["Session", "Wanted", "Clock"]
        first = second
    link.end()
    until(link, lambda: not link._stuck)


def test_a_child_that_stands_still_is_left_without_waiting_for_it(tmp_path: Path):
    link = link_to(tmp_path / "no.sock", words=[sys.executable, "-c", CHILD])
    link.begin(SESSION, WANTED, CLOCK)
    first, *_ = child_of(link)
    os.kill(first, signal.SIGSTOP)
    link.look(time.monotonic() + recorder_link.SILENT_AFTER_S + 1)
    assert link.trouble == "the recorder does not answer"
    assert child_of(link)[0] != first
    link.end()
    until(link, lambda: not link._stuck)


def test_children_that_a_dead_card_holds_are_not_gathered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """They cannot be killed, and each has memory."""
    link = link_to(tmp_path / "no.sock", words=[sys.executable, "-c", "import time; time.sleep(1000)"])
    monkeypatch.setattr("subprocess.Popen.kill", lambda _: None)
    link.begin(SESSION)
    for hour in range(10):
        link.look(hour * 3600.0)
        link.look(hour * 3600.0 + 1)
        link.look(hour * 3600.0 + 100)
    held = link._stuck
    assert len(held) == recorder_link.STUCK_MAX + 1
    for child in held:
        child.send_signal(signal.SIGKILL)
        child.wait()


def test_what_cannot_be_started_is_tried_again_ever_more_seldom(tmp_path: Path):
    link = link_to(tmp_path / "no.sock")
    link.begin(SESSION)
    for second in range(300):
        link.look(float(second))
    assert link.trouble.startswith("no recorder can be reached: No such file")
    assert link.lines == [f"{link.trouble} (retrying)"]  # type: ignore[attr-defined]


def test_without_a_session_there_is_no_recorder(tmp_path: Path):
    link = link_to(tmp_path / "no.sock", words=[sys.executable, "-c", CHILD])
    link.look(0.0)
    link.tell(msgspec.structs.replace(CLOCK, offset_us=1))
    assert (is_connected(link), link.trouble) == (False, "")
