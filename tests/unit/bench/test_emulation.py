from __future__ import annotations

from bench.emulation import OTHERS, Places, read

MAPS = """\
400000-916000 r-xp 00000000 fe:00 1 /somewhere else/usr/bin/python3.11
916000-92f000 ---p 00000000 00:00 0
5500000000-5500100000 r-xp 00000000 fe:00 2 /site/numpy/_core/_multiarray_umath.cpython-311-aarch64-linux-gnu.so
5500200000-5500300000 r-xp 00000000 fe:00 3 /site/cryptography/hazmat/bindings/_rust.abi3.so
5500310000-5500320000 r-xp 00000000 fe:00 3 /tmp/tree/gateway/native/zegel-seal.so
5500330000-5500340000 r-xp 00000000 fe:00 3 /lib/aarch64-linux-gnu/libcrypto.so.3
5500400000-5500500000 r-xp 00000000 fe:00 4 /lib/aarch64-linux-gnu/libc.so.6
"""


def region(number: int, *blocks: str) -> list[str]:
    """What the plugin writes of one run: what came before it, and then what it is made of."""
    return ["400000 999", f"mark {2 * number}", *blocks, f"mark {2 * number + 1}"]


def test_addresses_to_libraries():
    places = Places(MAPS)
    addresses = (0x400000, 0x915FFC, 0x916000, 0x5500000010, 0x55002FFFFC, 0x5500310000, 0x5500330000, 0x5500400000)
    libraries = ["Python", "Python", OTHERS, "NumPy", "AEAD", "C", "AEAD", OTHERS]
    assert [places.library(address) for address in addresses] == libraries


def test_the_mean_of_the_runs_less_the_empty_one_by_unit():
    lines = [
        *region(0, "400000 100", "5500400000 20"),
        *region(1, "400000 1100", "400010 280", "5500200000 6400", "5500400000 84"),
        *region(1, "400000 2660", "5500200000 6400", "5500400000 84"),
    ]
    units, less = {"nothing": 1, "seal": 64}, {"nothing": "nothing", "seal": "nothing"}
    counts = read(lines, units, less, Places(MAPS))
    assert counts.where == {"seal": {"Python": 30, "AEAD": 100, "NumPy": 0, "C": 0, OTHERS: 1}}
    assert counts.total == {"seal": 131}


def test_what_another_region_has_too_is_subtracted():
    lines = [
        *region(0, "400000 100"),
        *region(1, "400000 1000", "5500310000 50"),
        *region(2, "400000 1200", "5500310000 450"),
    ]
    less = {"nothing": "nothing", "wait": "nothing", "woken": "wait"}
    counts = read(lines, {"nothing": 1, "wait": 1, "woken": 1}, less, Places(MAPS))
    assert counts.total == {"wait": 950, "woken": 600}
