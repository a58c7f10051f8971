"""A browser that has a console open, and pages that are not the console's: what they try, and what they get."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.console.door import COOKIE
from tests.browser import chromium
from tests.console_client import RunningConsole

pytestmark = pytest.mark.peers
REBOUND = "rebound.test"  # a name of somebody else, which was made to resolve to this computer


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    folder = tmp_path_factory.mktemp("console")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        made = RunningConsole(folder)
        yield made
        assert made.program.running, made.program.output()
        made.program.end()


class Foreign(BaseHTTPRequestHandler):
    """Somebody else's page on this computer; `asked` has what browsers wanted of it."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>foreign</title>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def foreign():
    """Its address, and what was asked of it. For the cookie it is the same site, because a port does not count."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Listed", (Foreign,), {"asked": asked}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser():
    with chromium(f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1") as started:
        yield started


@pytest.fixture
def context(browser, console):
    """A browser that entered by the link, and has the cookie."""
    made = browser.new_context()
    page = made.new_page()
    page.goto(f"{console.origin}/?token={console.token}")
    assert page.url == f"{console.origin}/", "the token is no longer in the address"
    assert COOKIE in {cookie["name"] for cookie in made.cookies()}
    yield made
    made.close()


TRIES = {
    "fetch": "fetch(target + '/app.js', {credentials: 'include'})",
    "fetch without reading": "fetch(target + '/app.js', {credentials: 'include', mode: 'no-cors'})",
    "script": "loaded('script', {src: target + '/app.js'})",
    "module": "loaded('script', {type: 'module', src: target + '/app.js'})",
    "picture": "loaded('img', {src: target + '/icon.svg'})",
    "style": "loaded('link', {rel: 'stylesheet', href: target + '/style.css'})",
    "socket": """new Promise((done, failed) => {
        const socket = new WebSocket(target.replace('http', 'ws') + '/live');
        socket.onopen = done;
        socket.onerror = () => failed(new Error('no socket'));
    })""",
    "log out": "fetch(target + '/logout', {method: 'POST', credentials: 'include', mode: 'no-cors'})",
}
TRY = """async ([target]) => {
    const loaded = (tag, values) => new Promise((done, failed) => {
        const made = Object.assign(document.createElement(tag), values);
        made.onload = done;
        made.onerror = () => failed(new Error('not loaded'));
        document.head.append(made);
    });
    try { await (%s); return 'got it'; } catch (error) { return `refused: ${error.message}`; }
}"""


def alive(context, console):
    """Whether the console's own page still has its socket."""
    page = context.new_page()
    with page.expect_websocket() as socket:
        page.goto(console.origin)
    assert socket.value.url == f"ws://{console.here}/live"
    socket.value.wait_for_event("framereceived")
    return True


def test_a_page_of_another_port_gets_nothing_although_the_browser_has_the_cookie(context, console, foreign, figure):
    page = context.new_page()
    page.goto(foreign[0])
    back = {what: page.evaluate(TRY % how, [console.origin]) for what, how in TRIES.items()}
    for what, said in back.items():
        figure(f"console's door, in Chromium | a page of another port: {what} | {said}")
    assert {what for what, said in back.items() if not said.startswith("refused: ")} == set()
    assert alive(context, console)


def test_the_same_from_the_consoles_own_page_works(context, console):
    page = context.new_page()
    page.goto(console.origin)
    back = {what: page.evaluate(TRY % how, [console.origin]) for what, how in TRIES.items() if what != "log out"}
    assert {*back.values()} == {"got it"}, back


def test_a_page_of_another_port_cannot_frame_it_or_hold_its_window(context, console, foreign):
    page = context.new_page()
    page.goto(foreign[0])
    page.evaluate(
        "target => document.body.append(Object.assign(document.createElement('iframe'), {src: target}))", console.origin
    )
    page.wait_for_timeout(500)
    assert [frame.url for frame in page.frames if frame.url.startswith(console.origin)] == []
    with context.expect_page() as popup:
        page.evaluate("target => { window.held = window.open(target) }", console.origin)
    popup.value.wait_for_load_state()
    assert popup.value.locator("#seal").count() == 1, "a person may follow a link to it"
    assert page.evaluate("held.closed"), "and who gave the link has no handle of it"


def test_a_name_that_was_made_to_resolve_to_this_computer_gets_nothing(context, console, figure):
    page = context.new_page()
    answer = page.goto(f"http://{REBOUND}:{console.port}/")
    assert answer.status == 421
    assert page.locator("#seal").count() == 0
    back = {what: page.evaluate(TRY % TRIES[what], [f"http://{REBOUND}:{console.port}"]) for what in ("script", "socket")}
    figure(f"console's door, in Chromium | DNS rebinding: page, script, socket | 421, {', '.join(back.values())}")
    assert all(text.startswith("refused: ") for text in back.values())


def test_the_page_asks_no_other_host_and_runs_no_script_but_its_own_files(context, console, foreign):
    address, asked = foreign
    page = context.new_page()
    page.goto(console.origin)
    for what in ("fetch", "fetch without reading", "script", "picture", "style", "socket"):
        assert page.evaluate(TRY % TRIES[what], [address]).startswith("refused: "), what
    page.evaluate("""() => {
        document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = 1" }));
        const markup = document.createElement("div");
        document.body.append(markup);
        markup.innerHTML = "<img src=/nowhere.png onerror='window.ran = 2'><a href='javascript:window.ran = 3'>a</a>";
        markup.querySelector("a").click();
    }""")
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran ?? null") is None
    assert asked == []


def test_no_script_reads_the_token_and_the_browser_keeps_nothing(context, console):
    page = context.new_page()
    page.goto(console.origin)
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert page.evaluate("indexedDB.databases()") == []
    assert page.evaluate("caches.keys()") == []
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["expires"]) == (True, "Strict", -1)
