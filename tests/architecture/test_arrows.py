"""The arrows of the house: who may import whom, and what the core may not touch."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from gateway.core.wire import DropReason

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "keys", "firmware_shims", "bench")
PURE_KEYS = {
    "announcement",
    "beat",
    "certificate",
    "cose",
    "epoch",
    "errors",
    "extensions",
    "fields",
    "grant",
    "keyring",
    "lanes",
    "operation_key",
    "order",
    "order_device",
    "policy",
    "replay",
    "statement",
}
SHIMS = ("firmware_shims.mavlink", "firmware_shims.heartbeat", "firmware_shims.target")  # what the core may know of MAVLink

# The first line that fits a module says what of ours it may import; everything it may import begins with one of these.
ARROWS = [
    ("gateway.batch", ()),
    ("gateway.clock", ()),
    ("gateway.core", ("gateway.core", "gateway.batch", *SHIMS, *(f"keys.{name}" for name in PURE_KEYS))),
    ("gateway.endpoints", ("gateway.endpoints", "gateway.batch", "gateway.clock")),
    ("gateway", ("gateway", "keys", "firmware_shims")),
    ("keys", ("keys",)),
    ("firmware_shims", ("firmware_shims",)),
    ("bench", ("bench", "gateway", "keys", "firmware_shims")),
]
IO = {
    "os",
    "io",
    "socket",
    "select",
    "selectors",
    "time",
    "random",
    "secrets",
    "threading",
    "pathlib",
    "subprocess",
    "asyncio",
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """Dotted names that a file imports; `from a import b` counts as a.b, which is a module or something inside a."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


@pytest.mark.parametrize("module", modules())
def test_arrows(module):
    allowed = next(targets for prefix, targets in ARROWS if under(module, prefix))
    ours = {name for name in imports(modules()[module]) if name.split(".")[0] in PACKAGES}
    known = modules()
    targets = {name if name in known else name.rpartition(".")[0] for name in ours}  # the module that defines the name
    wrong = {name for name in targets if not any(under(name, prefix) for prefix in allowed)}
    assert not wrong, f"{module} may not import {wrong}"


@pytest.mark.parametrize("module", [name for name in modules() if under(name, "gateway.core")])
def test_the_core_has_no_io(module):
    assert not {name.split(".")[0] for name in imports(modules()[module])} & IO


@pytest.mark.parametrize("name", sorted(PURE_KEYS))
def test_what_the_core_takes_of_keys_is_pure(name):
    assert not {imported.split(".")[0] for imported in imports(ROOT / "keys" / f"{name}.py")} & IO


def test_files_stay_readable():
    long = {str(path): lines for path in modules().values() if (lines := len(path.read_text().splitlines())) > 400}
    assert not long


def test_the_specification_names_every_reason_to_drop():
    table = (ROOT / "gateway/SPEC.md").read_text().split("## 12.")[1].split("## 13.")[0]
    named = set(re.findall(r"[a-z_]+", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))))
    assert {reason.value for reason in DropReason} <= named


def test_the_specification_shows_functions_that_exist():
    top = (ROOT / "gateway/SPEC.md").read_text().split("## 1.")[0]
    shown = re.findall(r"(\S+\.py)\s+(\w+)\.(\w+)", top)
    assert len(shown) >= 6
    for path, owner, function in shown:
        classes = [n for n in ast.parse((ROOT / path).read_text()).body if isinstance(n, ast.ClassDef) and n.name == owner]
        assert any(isinstance(n, ast.FunctionDef) and n.name == function for c in classes for n in c.body), (path, function)


def test_the_repository_holds_no_key():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for path in (ROOT / name for name in listed if (ROOT / name).is_file()):
        assert not re.search(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/]{40}", path.read_bytes()), path
        assert path.suffix not in {".key", ".pem", ".seed"}, path
