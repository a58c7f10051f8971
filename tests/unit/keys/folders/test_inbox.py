"""How an order is handed to who has the folder open: the two sides of it, and what goes wrong in between."""

from __future__ import annotations

import threading

import pytest

from keys.errors import KeysError, OlderOrder
from keys.folders import inbox, store

DATA = b"an order"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(inbox, "WAIT_S", 5.0)
    made = tmp_path / "device"
    made.mkdir(0o700)
    return made


def aboard(folder, error: KeysError | None):
    """A running aircraft that answers the first order so."""

    def run() -> None:
        while (data := inbox.pop(folder)) is None:
            pass
        assert data == DATA
        inbox.answer(folder, data, error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_an_order_is_taken_once_and_leaves_nothing(folder):
    thread = aboard(folder, None)
    assert inbox.hand_over(folder, DATA)
    thread.join()
    assert inbox.pop(folder) is None
    assert list(folder.iterdir()) == []


def test_a_refusal_reaches_the_person_in_its_own_words(folder):
    thread = aboard(folder, OlderOrder("the order is older", hint="take a newer one"))
    with pytest.raises(KeysError, match="the order is older") as refused:
        inbox.hand_over(folder, DATA)
    thread.join()
    assert (refused.value.hint, refused.value.exit_code) == ("take a newer one", OlderOrder.exit_code)


def test_no_process_answers_and_the_order_is_taken_back(folder, monkeypatch):
    monkeypatch.setattr(inbox, "WAIT_S", 0.1)
    assert not inbox.hand_over(folder, DATA)
    assert inbox.pop(folder) is None


def test_an_answer_to_another_order_is_none(folder, monkeypatch):
    monkeypatch.setattr(inbox, "WAIT_S", 0.1)
    inbox.answer(folder, b"another", None)
    assert not inbox.hand_over(folder, DATA)


def test_a_link_is_not_followed(folder, tmp_path):
    (tmp_path / "secret").write_bytes(DATA)
    (folder / inbox.ORDER).symlink_to(tmp_path / "secret")
    with pytest.raises(KeysError, match="symbolic link"):
        inbox.pop(folder)


def test_an_order_is_private(folder):
    store.write(folder / inbox.ORDER, DATA)
    (folder / inbox.ORDER).chmod(0o644)
    with pytest.raises(KeysError, match="open to others"):
        inbox.pop(folder)
