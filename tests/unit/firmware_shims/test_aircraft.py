"""The page of aircraft says what the code does today."""

from __future__ import annotations

from firmware_shims import shim
from gateway.sources import tables
from tests import aircraft


def test_the_page_is_what_the_code_answers_today():
    assert aircraft.PAGE.read_text() == aircraft.page(), "make it again: python -m tests.aircraft"


def test_every_firmware_and_every_way_of_a_picture_is_in_it():
    assert {way.shim.NAME for way in aircraft.WAYS} == {each.NAME for each in shim.SHIMS}
    assert {picture.table.split()[0] for picture in aircraft.PICTURES if picture.table} == set(tables.WAYS)
