"""The files that a browser is given."""

from __future__ import annotations

from gateway.console import pages


def test_each_file_of_the_folder_has_its_path_and_type(tmp_path):
    (tmp_path / "vendor").mkdir()
    for name, text in {"index.html": "page", "live.js": "code", "vendor/LICENSE": "free", ".hidden": "no"}.items():
        (tmp_path / name).write_text(text)
    found = pages.load(tmp_path)
    assert {*found} == {"/", "/index.html", "/live.js", "/vendor/LICENSE"}
    assert found["/"] == found["/index.html"] == ("text/html; charset=utf-8", b"page")
    assert found["/live.js"].kind == "text/javascript; charset=utf-8"
    assert found["/vendor/LICENSE"].kind == "text/plain; charset=utf-8"


def test_an_empty_folder_has_no_page(tmp_path):
    assert pages.load(tmp_path) == {}
