from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from gateway.report.log import (
    ALL_AT_ONCE,
    ALL_EVERY_S,
    LINE_MAX,
    LINES_MAX,
    SAME_AT_ONCE,
    SAME_EVERY_S,
    TEXTS_MAX,
    LogLimiter,
    Writer,
)

OUTPUT = "import sys; from gateway.report import log; "


class Terminal:
    """Takes what is written while it is not stopped; `blocked` is set once a write stands still."""

    def __init__(self) -> None:
        self.goes, self.blocked, self.text = threading.Event(), threading.Event(), b""

    def write(self, data: bytes) -> None:
        if not self.goes.is_set():
            self.blocked.set()
            self.goes.wait(10)
        self.text += data


@pytest.fixture
def terminal():
    made = Terminal()
    yield made
    made.goes.set()


def test_a_stopped_terminal_holds_no_line_up_and_what_was_left_out_is_counted(terminal):
    writer = Writer(terminal.write)
    writer.put("first")
    assert terminal.blocked.wait(10)
    for number in range(LINES_MAX + 1000):
        writer.put(f"line {number}")
    writer.flush(0.0)
    assert terminal.text == b""
    terminal.goes.set()
    writer.flush(10)
    lines = terminal.text.decode().splitlines()
    assert lines[0] == "first"
    assert lines[-1] == f"line {LINES_MAX - 1}"
    assert [line for line in lines if line.startswith("(")] == ["(1000 lines were left out: the output stood still)"]
    writer.put("last")
    writer.flush(10)
    assert terminal.text.endswith(b"\nlast\n")


def test_lines_that_could_not_be_written_are_counted_too():
    text, full = [], [True]

    def write(data: bytes) -> None:
        if full[0]:
            raise OSError(28, "no space left on device")
        text.append(data)

    writer = Writer(write)
    for number in range(3):
        writer.put(str(number))
    writer.flush(10)
    full[0] = False
    writer.put("again")
    writer.flush(10)
    assert text == [b"(3 lines were left out: the output stood still)\n", b"again\n"]


def test_without_memory_for_a_thread_the_line_is_left_out(monkeypatch, terminal):
    writer, no_memory = Writer(terminal.write), RuntimeError("can't start new thread")
    terminal.goes.set()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(no_memory))
        writer.put("lost")
        writer.flush(10)
    writer.put("next")
    writer.flush(10)
    assert terminal.text == b"(1 lines were left out: the output stood still)\nnext\n"


def run(code: str, **streams) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", OUTPUT + code], text=True, check=False, timeout=30, **streams)


def test_what_was_said_is_written_before_the_end():
    done = run("[log.say('air', str(n)) for n in range(50)]", capture_output=True)
    assert without_times(done.stdout) == "".join(f"air: {number}\n" for number in range(50))


def without_times(text: str) -> str:
    """Each line must have one."""
    lines = text.splitlines(keepends=True)
    assert all(re.match(r"[0-2]\d:[0-5]\d:[0-6]\d ", line) for line in lines), text
    return "".join(line[len("hh:mm:ss ") :] for line in lines)


def test_the_time_is_that_of_this_computers_zone():
    """A zone is 12 hours ahead of another one, so a line of each cannot be of the same hour."""
    east, west = (
        run("log.say('air', 'x')", capture_output=True, env={**os.environ, "TZ": zone}).stdout
        for zone in ("AAA-6", "BBB+6")
    )
    assert without_times(east) == without_times(west) == "air: x\n"
    assert (int(east[:2]) - int(west[:2])) % 24 in (11, 12)


def test_the_journal_has_its_own_times():
    def said(stream: str) -> str:
        reader, writer = os.pipe()
        here = os.fstat(writer)
        stream = stream.format(here=f"{here.st_dev}:{here.st_ino}")
        run("log.say('air', 'x')", stdout=writer, env={**os.environ, "JOURNAL_STREAM": stream})
        os.close(writer)
        with os.fdopen(reader) as out:
            return out.read()

    assert said("{here}") == "air: x\n"
    assert without_times(said("1:2")) == "air: x\n", "a child of a service that has another output"


def test_a_terminal_shows_times():
    master, slave = pty.openpty()
    run("log.say('air', 'x')", stdout=slave)
    os.close(slave)
    with os.fdopen(master, "rb", buffering=0) as out:
        assert without_times(out.read(100).decode()) == "air: x\r\n"


def test_a_full_card_costs_the_line_and_not_the_flight():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = run("log.say('air', 'x'); log.say('air', 'y'); sys.stderr.write('flies on')", stdout=full, stderr=-1)
    assert (done.stderr, done.returncode) == ("flies on", 0)


def test_a_pipe_that_is_full_delays_neither_the_program_nor_its_end():
    reader, writer = os.pipe()
    try:
        code = "[log.say('air', f'{n} ' + 'x' * 900) for n in range(500)]; sys.stderr.write('flies on')"
        done = run(code, stdout=writer, stderr=-1)
        assert (done.stderr, done.returncode) == ("flies on", 0)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_descriptor_that_another_program_made_non_blocking_loses_nothing():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    code = "[log.say('air', f'{n} ' + 'x' * 900) for n in range(200)]; log._writer.flush(20)"
    process = subprocess.Popen([sys.executable, "-c", OUTPUT + code], stdout=writer)
    os.close(writer)
    with os.fdopen(reader) as out:
        lines = out.read().splitlines()
    assert process.wait(10) == 0
    assert [int(line.split()[2]) for line in lines] == list(range(200))


def test_what_is_said_does_nothing_to_a_terminal():
    done = run(r"log.say('air', 'a\x1b[2J\nair: forged' + 'x' * 9999)", capture_output=True)
    (line,) = done.stdout.splitlines()
    assert line.isprintable()
    assert len(line) <= len("hh:mm:ss air: ") + LINE_MAX


def test_a_warning_and_a_traceback_go_the_same_way():
    code = r"""
import threading, warnings
with log.by_queue():
    warnings.warn('a\x1b[2J')
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    print('half', end='')
    print(' a line')
"""
    done = run(code, capture_output=True)
    assert done.stderr == ""
    assert r"UserWarning: a\x1b[2J" in done.stdout
    assert "ZeroDivisionError" in done.stdout
    assert "half a line\n" in done.stdout


# --- what is said again and again ---


def test_a_flapping_link_says_it_a_few_times_then_seldom_and_how_often_it_was():
    limiter, day_s = LogLimiter(), 86_400
    said = [line for now in range(0, day_s, 7) if (line := limiter.admit("usb0 is back", float(now)))]
    assert len(said) <= SAME_AT_ONCE + day_s / SAME_EVERY_S + 1
    assert said[:SAME_AT_ONCE] == ["usb0 is back"] * SAME_AT_ONCE
    assert said[-1].endswith("more like this were left out)")


def test_a_new_text_is_said_at_once_whatever_flaps():
    limiter = LogLimiter()
    for _ in range(1000):
        limiter.admit("flap", 1.0)
    assert limiter.admit("alarm: two aircraft", 1.0) == "alarm: two aircraft"


def test_texts_that_are_all_different_are_bounded_too_in_lines_and_in_memory():
    limiter = LogLimiter()
    said = [line for number in range(100_000) if (line := limiter.admit(f"line {number}", number / 100))]
    assert len(said) <= ALL_AT_ONCE + 1000 / ALL_EVERY_S + 1
    assert "other lines were left out" in said[-1]
    assert len(limiter._texts) <= TEXTS_MAX


def test_what_was_quiet_for_long_is_said_again_in_full():
    limiter = LogLimiter()
    for _ in range(SAME_AT_ONCE + 3):
        limiter.admit("flap", 0.0)
    assert limiter.admit("flap", SAME_EVERY_S) == "flap (3 more like this were left out)"
    assert limiter.admit("flap", 20 * SAME_EVERY_S) == "flap"
