"""Emulation: instructions of the data path on an emulated aarch64, counted by a plugin of qemu.

The flow, and the functions in its order:
  1  `count`      needs the folders of bench/sysroot.py and bench/counted_tree.py; compiles the plugin
  2  `_run`       bench/instrumented.py inside of qemu, on a processor of one `Model`
  3  `read`       converts the plugin's output, block by block and mark by mark, to instructions by region and library

The same code gives the same figure: the interpreter is pinned, nothing is read from a bytecode cache, hashes are not
random, and neither are addresses if the system allows that. The figures do not say how long instructions take.
"""

from __future__ import annotations

import json
import platform
import tempfile
from bisect import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.sysroot import CannotCount, run

PLUGIN = Path(__file__).parent / "plugin" / "count.c"
API_VERSION = 1  # of qemu 7.2
CPU = "cortex-a76"


class Model(NamedTuple):
    """A processor: `armcap` masks the features that OpenSSL may use. qemu's older models have AES, so it is needed."""

    name: str
    armcap: str | None


PI_5 = Model("Pi 5", None)
PI_4 = Model("Pi 4, Zero 2 W", "1")  # ARMV7_NEON alone, of OpenSSL's arm_arch.h: no AES, no PMULL
MODELS = (PI_5, PI_4)

# By the beginning of their file names. The AEAD is cryptography with its OpenSSL, and for the turns in C libcrypto.
AEAD = "AEAD"
LIBRARIES = {
    "python3.11": "Python",
    "_rust.abi3.so": AEAD,
    "libcrypto.so": AEAD,
    "_multiarray_umath": "NumPy",
    "zegel-": "C",
}
OTHERS = "libc"  # and the few instructions in none of these libraries
LABELS = (*dict.fromkeys(LIBRARIES.values()), OTHERS)


@dataclass(frozen=True, slots=True)
class Counts:
    """Instructions a unit: `total` by region, `where` by region and library."""

    total: dict[str, int]
    where: dict[str, dict[str, int]]


def count(root: Path, model: Model, tree: Path) -> Counts:
    """Run the program of `tree` under `root` and count it, some ten seconds. CannotCount if this is not possible."""
    with tempfile.TemporaryDirectory() as scratch:
        plugin, counts = Path(scratch) / "count.so", Path(scratch) / "counts"
        run(["gcc", "-O2", "-shared", "-fPIC", f"-DAPI_VERSION={API_VERSION}", "-o", str(plugin), str(PLUGIN)], "compiling")
        said = json.loads(_run(root, model, tree, plugin, counts))
        with counts.open() as lines:
            return read(lines, said["units"], said["less"], Places(said["maps"]))


def _run(root: Path, model: Model, tree: Path, plugin: Path, counts: Path) -> str:
    libraries = root / "usr/lib" / f"{platform.machine()}-linux-gnu", root / "lib" / f"{platform.machine()}-linux-gnu"
    loader = next(libraries[1].glob("ld-linux*"))
    guest = {
        "LC_ALL": "C.UTF-8",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONHOME": str(root / "usr"),
        "PYTHONPATH": f"{root / 'site'}:{tree}",
        "PYTHONPYCACHEPREFIX": str(root / "none"),
        **({"OPENSSL_armcap": model.armcap} if model.armcap else {}),
    }
    command = [
        *_still(),
        str(loader),
        "--library-path",
        ":".join(map(str, libraries)),
        str(root / "usr/bin/qemu-aarch64"),
        *("-cpu", CPU, "-L", str(root), "-plugin", str(plugin)),
        *(word for name, value in guest.items() for word in ("-E", f"{name}={value}")),
        *(str(root / "usr/bin/python3.11"), "-sP", "-m", "bench.instrumented"),
    ]
    return run(command, f"counting on {model.name}", env={"ZEGEL_COUNTS": str(counts)})


def _still() -> list[str]:
    """The command prefix that keeps addresses the same in each run; a container may forbid it, which costs 0.1 %."""
    try:
        run(["setarch", "-R", "true"], "asking for fixed addresses")
    except CannotCount:
        return []
    return ["setarch", "-R"]


class Places:
    """The library at an address, by the lines of /proc/self/maps."""

    def __init__(self, maps: str) -> None:
        lines = [(*line.split(maxsplit=5), "")[:6] for line in maps.splitlines()]  # the path, if any, is the sixth
        self._begins = [int(words[0].partition("-")[0], 16) for words in lines]
        self._paths = [words[5] for words in lines]

    def library(self, address: int) -> str:
        """One of `LIBRARIES`, or `OTHERS`."""
        name = Path(self._paths[bisect(self._begins, address) - 1]).name
        return next((label for start, label in LIBRARIES.items() if name.startswith(start)), OTHERS)


def read(lines: Iterable[str], units: dict[str, int], less: dict[str, str], places: Places) -> Counts:
    """Means of the plugin's lines, by `units` of each region, less those of another one. The first region is empty."""
    sums: dict[int, Counter[str]] = {number: Counter() for number in range(len(units))}
    runs, ran = Counter[int](), Counter[str]()
    for line in lines:
        what, number = line.split()
        if what != "mark":
            ran[places.library(int(what, 16))] += int(number)
            continue
        region, ends = divmod(int(number), 2)
        if ends:
            sums[region] += ran
            runs[region] += 1
        ran = Counter()
    names = list(units)
    means = {name: {label: sums[at][label] / runs[at] for label in LABELS} for at, name in enumerate(names)}
    where = {
        name: {label: (means[name][label] - means[less[name]][label]) / units[name] for label in LABELS}
        for name in names[1:]
    }
    total = {name: round(sum(parts.values())) for name, parts in where.items()}
    return Counts(total, {name: {label: round(part) for label, part in parts.items()} for name, parts in where.items()})
