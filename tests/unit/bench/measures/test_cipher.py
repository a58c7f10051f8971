"""`zegel bench cipher`: every way encrypts the same message, children answer, and tables hold what was measured."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench import aead, openssl
from bench.aead import WAYS, Child
from bench.measures import cipher
from bench.result import Options
from gateway.board import computer

SIZES = (64, 1200)


def test_in_place_seals_where_the_plaintext_stood():
    arena = memoryview(bytearray(80))
    AESGCM(aead.KEY).encrypt_into(aead.NONCE, arena[:64], aead.AAD, arena)
    assert AESGCM(aead.KEY).decrypt(aead.NONCE, bytes(arena), aead.AAD) == bytes(64)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_can_be_called_again_and_again(way):
    call = WAYS[way](1200)
    call()
    call()


def test_a_child_answers_under_another_environment():
    with Child(openssl.mask()) as child:
        assert child.seconds("in place", 64, 0.001) > 0
        assert child.seconds("Cobblestone-256", 64, 0.001) > 0


def test_what_openssl_says_is_read():
    assert openssl.read_speed("+H:1200\n+F:25:AES-256-GCM:2447265454.55\n") == 2447265454.55
    assert openssl.read_speed("speed: Unknown cipher\n") is None


def test_a_machine_without_openssl_gets_a_hint_and_the_rest(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(cipher, "QUICK", cipher.Plan(SIZES, 1, 1, 0.001))
    result = cipher.measure(Options(quick=True), lambda *_: None)
    assert any(openssl.INSTALL in note for note in result.notes)
    for table in result.tables:
        assert table.column("bytes") == list(SIZES)
        assert set(table.column(table.columns[-1])) == {None}
        assert all(cell > 0 for row in table.rows for cell in row[1:-1])


def test_without_aes_there_is_one_kind_of_processor_and_a_note_says_so(monkeypatch):
    monkeypatch.setattr(computer, "has_aes", lambda: False)
    kinds = cipher.processors()
    assert kinds == {cipher.WITHOUT: {}}
    assert cipher._notes(kinds)[0] == "this processor has no AES instructions"


def test_rates_and_times_of_a_table_say_the_same():
    took = {(cipher.WITH, name, size): 1e-9 * size for size in SIZES for name in (*WAYS, cipher.LIMIT)}
    times, rates = cipher.tables_of(cipher.WITH, SIZES, took)
    assert times.column("encrypt (ns)") == pytest.approx(SIZES)
    assert rates.column("encrypt (MB/s)") == pytest.approx([1000, 1000])
    assert times.plot is not None
    assert set(times.plot.ys) < set(times.columns)
