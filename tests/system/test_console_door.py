"""The door of a real `zegel console`: what was sent at it, and what came back. Each attack is refused; the page goes on."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from gateway.console import door, token_file
from gateway.console.server import MESSAGE_SIZE_MAX
from gateway.demo.stage import HOST, free_port
from tests.console_client import Answer, RunningConsole

OTHER_TOKEN = "A" * 43  # in names of tests, which have to be the same in each process
CROSS_SITE = ("Sec-Fetch-Site", "cross-site")
LARGE = 100_000_000
POLICY_VIOLATION, TOO_BIG = 1008, 1009


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    folder = tmp_path_factory.mktemp("console")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        with RunningConsole(folder) as made:
            yield made
            assert made.program.running, made.program.output()


@pytest.fixture
def table(figure):
    """Note what was sent and what came back."""

    def note(sent: str, back: Answer | str) -> None:
        figure(f"console's door | {sent} | {back if isinstance(back, str) else back.words}")

    return note


def is_alive(console: RunningConsole) -> bool:
    """Whether a page is still served, and its socket."""
    with console.page() as page:
        return json.loads(page.recv(timeout=10))["type"] == "hello"


def read_to_the_end(page: ClientConnection) -> None:
    """Until the console closes it."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            page.recv(timeout=10)


def test_the_link_leads_to_the_page_and_the_page_to_its_socket(console, table):
    entered = console.ask(f"/?token={console.token}")
    assert (entered.status, entered.head["Location"]) == (303, "/")
    assert entered.head["Set-Cookie"].startswith(f"zegel={console.token}; HttpOnly; SameSite=Strict")
    table("the link", f"303 to /, cookie {entered.head['Set-Cookie'].partition('; ')[2]}")
    assert console.ask("/live.js", console.cookie).status in {200, 404}
    with console.page() as page:
        hello = json.loads(page.recv(timeout=10))
        assert (hello["type"], hello["transcode"], hello["tiles"]) == ("hello", False, False)
        assert json.loads(page.recv(timeout=10))["type"] == "state"
    table("a page's own socket", "hello, state")


@pytest.mark.parametrize(
    ("what", "target", "head", "host", "status"),
    [
        ("no token", "/", [], "", 403),
        ("a wrong cookie", "/", [("Cookie", f"zegel={OTHER_TOKEN}")], "", 403),
        ("a wrong token in a link", f"/?token={OTHER_TOKEN}", [], "", 403),
        ("Host: evil.example, with the cookie (DNS rebinding)", "/", ["cookie"], "evil.example:{port}", 421),
        ("Host: 127.0.0.1 without the port, with the cookie", "/", ["cookie"], "127.0.0.1", 421),
        ("no Host", "/", ["cookie"], None, 421),
        ("Origin: http://evil.example, with the cookie", "/", ["cookie", ("Origin", "http://evil.example")], "", 403),
        ("Origin: null, with the cookie", "/", ["cookie", ("Origin", "null")], "", 403),
        ("GET /../../etc/passwd, with the cookie", "/../../etc/passwd", ["cookie"], "", 404),
        ("GET /%2e%2e/server.py, with the cookie", "/%2e%2e/server.py", ["cookie"], "", 404),
        ("GET /pages/../server.py, with the cookie", "/pages/../server.py", ["cookie"], "", 404),
        ("GET http://127.0.0.1/ (as to a proxy), with the cookie", "http://127.0.0.1/", ["cookie"], "", 404),
    ],
)
def test_a_request_that_is_not_the_pages_gets_nothing(console, table, what, target, head, host, status):
    given = [console.cookie if each == "cookie" else each for each in head]
    back = console.ask(target, *given, host=host.format(port=console.port) if host else host)
    table(what, back)
    assert back.status == status
    assert console.token.encode() not in back.body
    assert back.head["Content-Security-Policy"].startswith("default-src 'self';")
    assert back.head["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("what", "head", "host", "status"),
    [
        ("no cookie, Origin ours", ["origin"], "", 403),
        ("the cookie, no Origin", ["cookie"], "", 403),
        ("the cookie, Origin: http://evil.example", ["cookie", ("Origin", "http://evil.example")], "", 403),
        ("the cookie, Origin: http://127.0.0.1:9 (another port)", ["cookie", ("Origin", "http://127.0.0.1:9")], "", 403),
        (
            "the cookie, Origin ours, Sec-Fetch-Site: same-site",
            ["cookie", "origin", ("Sec-Fetch-Site", "same-site")],
            "",
            403,
        ),
        ("a wrong cookie, Origin ours", [("Cookie", f"zegel={OTHER_TOKEN}"), "origin"], "", 403),
        ("the cookie, Origin ours, Host: evil.example", ["cookie", "origin"], "evil.example", 421),
        ("the cookie, Origin ours, Host ours", ["cookie", "origin"], "", 101),
    ],
)
def test_a_socket_that_is_not_the_pages_is_not_opened(console, table, what, head, host, status):
    known = {"cookie": console.cookie, "origin": ("Origin", console.origin)}
    back = console.upgrade(*(known[each] if isinstance(each, str) else each for each in head), host=host)
    table(f"socket: {what}", "101, a socket" if back.status == 101 else back)
    assert back.status == status


@pytest.mark.parametrize(
    ("what", "sent"),
    [
        ("POST with a body", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
        ("a chunked body", b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("a line of 1 MB", b"GET /" + b"a" * (1 << 20)),
        ("a head of 100 MB", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (LARGE // 6)),
        ("a head of 10,000 headers", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n"),
        ("bytes that are no text", bytes(range(256)) * 8 + b"\r\n\r\n"),
    ],
)
def test_what_is_no_request_is_closed(console, table, what, sent):
    back = console.say(sent)
    table(what, back)
    assert back.status in {0, 403, 414, 421, 431}
    assert is_alive(console)


@pytest.mark.parametrize(
    ("what", "text", "code"),
    [
        ("words", "hello", POLICY_VIOLATION),
        ("JSON of another kind", '{"type":"arm"}', POLICY_VIOLATION),
        ("a watch with one key too many", '{"type":"watch","streams":[],"more":1}', POLICY_VIOLATION),
        ("a watch of 33 streams", json.dumps({"type": "watch", "streams": [{}] * 33}), POLICY_VIOLATION),
        ("again for a stream below 0", '{"type":"again","stream":-1}', POLICY_VIOLATION),
        ("a deep nest", "[" * 1000, POLICY_VIOLATION),
        ("bytes", b"\xfd\x09\0\0", POLICY_VIOLATION),
        ("a text of 1,025 bytes", "x" * (MESSAGE_SIZE_MAX + 1), TOO_BIG),
    ],
)
def test_a_page_that_says_anything_else_is_disconnected(console, table, what, text, code):
    with console.page() as page:
        page.send(text)
        read_to_the_end(page)
    table(f"on an open socket: {what}", f"closed with {page.close_code}")
    assert page.close_code == code
    assert is_alive(console)


def test_a_page_that_speaks_without_end_is_disconnected(console, table):
    with console.page() as page, contextlib.suppress(ConnectionClosed):
        for _ in range(100):
            page.send('{"type":"again","stream":1}')
        read_to_the_end(page)
    table("on an open socket: 100 messages at once", f"closed with {page.close_code}")
    assert page.close_code == POLICY_VIOLATION


def memory_mb(console: RunningConsole) -> float:
    return console.program.resident_mb()


@pytest.mark.parametrize(("what", "first"), [("one frame", 0x82), ("the first of many fragments", 0x02)])
def test_a_frame_of_100_mb_is_refused_at_its_head(console, table, what, first):
    before = memory_mb(console)
    sent = 0
    with console.raw_page() as made, contextlib.suppress(OSError):
        made.settimeout(5)
        made.sendall(bytes([first, 0xFF]) + LARGE.to_bytes(8, "big") + bytes(4))
        while sent < LARGE:
            made.sendall(bytes(1 << 16))
            sent += 1 << 16
    grown = memory_mb(console) - before
    table(f"a frame of 100 MB, {what}", f"closed after {sent / 1e6:.1f} MB were sent; memory grew by {grown:.1f} MB")
    assert sent < LARGE
    assert is_alive(console)


def test_pings_that_are_not_read_do_not_fill_the_memory(console, table):
    ping = bytes([0x89, 0x80 | 125]) + bytes(4 + 125)
    sent = 0
    with console.raw_page() as made, contextlib.suppress(OSError):
        made.settimeout(1)
        while sent < LARGE:
            made.sendall(ping * 500)
            sent += len(ping) * 500
    table("pings without reading the answers", f"closed after {sent / 1e6:.1f} MB")
    assert sent < LARGE
    assert is_alive(console)


def test_the_token_before_a_new_one_is_out(console, table):
    """By logout, and by `--link --new-token`: open pages are disconnected, too."""
    for what in ("logout", "--link --new-token"):
        earlier, cookie = console.token, console.cookie
        with console.page() as page:
            if what == "logout":
                back = console.ask(door.LOGOUT, cookie, ("Origin", console.origin), method="POST")
                assert (back.status, "Max-Age=0" in back.head["Set-Cookie"]) == (200, True)
            console.token = token_file.link(renew=what != "logout")[-43:]
            read_to_the_end(page)
        assert page.close_code == POLICY_VIOLATION
        assert console.token != earlier
        back = console.ask("/", cookie)
        table(f"the cookie from before {what}", back)
        assert back.status == 403
        assert console.ask(f"/?token={earlier}").status == 403
        assert is_alive(console)


@pytest.mark.parametrize("head", [[], [("Origin", "http://evil.example")]])
def test_no_other_page_logs_out(console, head):
    assert console.ask(door.LOGOUT, console.cookie, *head, method="POST").status == 403
    assert console.ask(door.LOGOUT, console.cookie, ("Origin", console.origin)).status == 405
    assert is_alive(console)


def guess(console: RunningConsole, times: int) -> dict[int, int]:
    """Wrong tokens from eight programs at once; how often each status came."""
    found: dict[int, int] = {}
    lock = threading.Lock()

    def run() -> None:
        for _ in range(times // 8):
            status = console.ask(f"/?token={door.new_token()}").status
            with lock:
                found[status] = found.get(status, 0) + 1

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("times", [32, pytest.param(10_000, marks=pytest.mark.soak)])
def test_wrong_tokens_are_answered_late_and_the_right_one_at_once(console, table, times):
    begun = time.monotonic()
    guessing = threading.Thread(target=lambda: found.update(guess(console, times)))
    found: dict[int, int] = {}
    guessing.start()
    while guessing.is_alive():
        assert is_alive(console)
        time.sleep(0.1)
    took = time.monotonic() - begun
    table(f"{times} wrong tokens, eight at a time", f"{found}; {times / took:.0f} a second")
    assert found.keys() <= {0, 403}
    assert sum(found.values()) == times


def test_a_second_console_of_the_user_names_the_first(console, table):
    command = [sys.executable, "-m", "gateway.cli", "console", "--port", str(free_port(socket.SOCK_STREAM))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"process {console.program.process.pid} on port {console.port}" in done.stderr
    table("a second console of the same user", done.stderr.splitlines()[0])


def test_it_listens_on_this_computer_alone(console):
    shown = subprocess.run(["ss", "-Hltn", f"sport = :{console.port}"], capture_output=True, text=True, check=True)
    found = {line.split()[3] for line in shown.stdout.splitlines()}
    assert found - {f"[::1]:{console.port}"} == {f"{HOST}:{console.port}"}


def test_a_port_in_use_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with socket.create_server((HOST, free_port(socket.SOCK_STREAM))) as taken:
        command = [sys.executable, "-m", "gateway.cli", "console", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be had: Address already in use" in done.stderr
    assert "ss -ltnp" in done.stderr


def test_the_token_outlives_a_console_and_no_log_has_it_but_the_link(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    with RunningConsole(tmp_path) as first:
        first.ask(f"/?token={first.token}")
        first.ask("/", first.cookie)
        with first.page() as page:
            page.recv(timeout=10)
        assert first.program.end() == 0
        assert first.program.output().count(first.token) == 1
    with RunningConsole(tmp_path) as second:
        assert second.token == first.token
