from __future__ import annotations

import json

from keys.commands.terminal import json_text, show

HOSTILE = "\x1b]0;x\x07\u202e\x9b\x7f\r"


def test_lines_stay_lines_and_each_is_escaped(capsys):
    show(f"one\n  {HOSTILE}")
    show(f"two {HOSTILE}", errors=True)
    out, err = capsys.readouterr()
    assert out == "one\n  \\x1b]0;x\\x07\\u202e\\x9b\\x7f\\r\n"
    assert err == "two \\x1b]0;x\\x07\\u202e\\x9b\\x7f\\r\n"


def test_json_is_shown_as_it_is_and_read_back(capsys):
    show(json_text([{HOSTILE: HOSTILE}], 2))
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert json.loads(out) == [{HOSTILE: HOSTILE}]
