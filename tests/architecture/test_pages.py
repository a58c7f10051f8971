"""The pages of the console: texts from outside are no markup, a browser keeps nothing, no other host is asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "gateway/console/pages"
VENDOR = PAGES / "vendor"
FILES = [path for path in sorted(PAGES.rglob("*")) if path.is_file()]
OURS = [path for path in FILES if VENDOR not in path.parents and path.suffix in {".js", ".css", ".html"}]
SCRIPTS = [path for path in OURS if path.suffix == ".js"]
MARKUP = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|setHTML"
KEPT = r"localStorage|sessionStorage|indexedDB|document\.cookie|cookieStore|serviceWorker|caches\b"
RUN = r"\beval\(|new Function|setTimeout\(['\"`]|javascript:"
PAGE_MAX = 400_000  # bytes of everything that a browser loads
LINES_MAX = 400


def name(path: Path) -> str:
    return str(path.relative_to(PAGES))


@pytest.mark.parametrize("path", OURS, ids=name)
@pytest.mark.parametrize("forbidden", [MARKUP, KEPT, RUN])
def test_no_markup_from_texts_nothing_kept_and_no_text_run(path, forbidden):
    assert not re.search(forbidden, path.read_text()), path


@pytest.mark.parametrize("path", OURS, ids=name)
def test_no_other_host_is_named(path):
    hosts = re.findall(r"(?:https?|wss?)://([^/'\"`\s]+)", path.read_text())
    assert set(hosts) <= {"www.w3.org", "${location.host}"}, path


@pytest.mark.parametrize("path", OURS, ids=name)
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= LINES_MAX


def test_the_document_has_neither_style_nor_script_in_itself():
    page = (PAGES / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)
    assert re.findall(r'<script type="module" src="([^"]+)"', page) == ["app.js"]


def test_every_button_says_what_it_does():
    page = (PAGES / "index.html").read_text()
    for button in re.findall(r"<button.*?</button>", page, re.DOTALL):
        assert re.sub(r"<[^>]*>", "", button).strip() or "aria-label" in button or 'id="inset"' in button, button


def test_what_the_page_sends_is_watch_and_again():
    text = "\n".join(path.read_text() for path in SCRIPTS)
    assert set(re.findall(r"\bsend\(\{ type: '(\w+)'", text)) == {"watch", "again"}
    assert len(re.findall(r"\.send\(", text)) == 4  # the two, the stage's to the socket's owner, and the socket's own
    assert set(re.findall(r"method: '(\w+)'", text)) == {"POST"}
    assert re.findall(r"fetch\(([^)]*)\)", text).count("'/logout', { method: 'POST' }") == 1


def test_the_page_is_small():
    assert sum(path.stat().st_size for path in FILES if path.suffix != "") < PAGE_MAX


def test_every_import_leads_to_a_file():
    for path in SCRIPTS:
        for target in re.findall(r"""from ['"](\./[^'"]+)['"]""", path.read_text()):
            assert (path.parent / target).is_file(), f"{name(path)} imports {target}"
