"""The bill of materials of a package: CycloneDX's own schema accepts it, and it names each wheel and what is within."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

validation = pytest.importorskip("cyclonedx.validation.json", reason="needs cyclonedx-python-lib (pip install '.[test]')")

from cyclonedx.schema import SchemaVersion  # noqa: E402 - after the look whether it is there

ROOT = Path(__file__).parents[2]
INNER = {"bomFormat": "CycloneDX", "components": [{"type": "library", "name": "openssl", "version": "4.0.3", "cpe": "x"}]}


def bill(wheels: Path) -> str:
    command = [sys.executable, ROOT / "packaging/sbom.py", wheels]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def faults(text: str) -> str | None:
    """Why the schema refuses it, or None."""
    found = validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return str(found) if found else None


def make_wheel(
    folder: Path, name: str, version: str, tag: str, more: str = "", files: dict[str, bytes] | None = None
) -> Path:
    path = folder / f"{name}-{version}-{tag}.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr(
            f"{name}-{version}.dist-info/METADATA", f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{more}\n"
        )
        for inner, data in (files or {}).items():
            archive.writestr(inner, data)
    return path


@pytest.fixture
def wheels(tmp_path) -> Path:
    make_wheel(
        tmp_path, "zegel", "0.1.0", "py3-none-any", 'Requires-Dist: Fancy_Lib>=2\nRequires-Dist: x; extra == "test"\n'
    )
    make_wheel(tmp_path, "x", "1.0", "py3-none-any", "Classifier: License :: OSI Approved :: MIT License\n")
    for tag in ("cp311-cp311-linux", "cp313-cp313-linux"):
        carried = {
            "fancy.libs/libzmq-1.so.5": tag.encode(),
            "fancy_lib-2.1.dist-info/sboms/inner.json": json.dumps(INNER).encode(),
        }
        make_wheel(tmp_path, "fancy_lib", "2.1", tag, "License-Expression: MIT OR Apache-2.0\n", carried)
    return tmp_path


def test_it_is_cyclonedx_and_names_each_wheel_and_what_it_carries(wheels):
    text = bill(wheels)
    assert faults(text) is None
    made = json.loads(text)
    (fancy,) = (one for one in made["components"] if one["name"] == "fancy-lib")
    assert fancy["purl"] == "pkg:pypi/fancy-lib@2.1"
    assert fancy["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert [file["name"] for file in fancy["components"]] == [f"fancy_lib-2.1-cp{v}-cp{v}-linux.whl" for v in (311, 313)]
    for file in fancy["components"]:
        digest = hashlib.sha256((wheels / file["name"]).read_bytes()).hexdigest()
        assert file["hashes"] == [{"alg": "SHA-256", "content": digest}]
        assert {part["name"] for part in file["components"]} == {"openssl", "libzmq-1.so.5"}
    assert {"ref": "pkg:pypi/zegel@0.1.0", "dependsOn": ["pkg:pypi/fancy-lib@2.1"]} in made["dependencies"]


def test_what_we_carry_of_other_projects_is_named(tmp_path):
    pages = ROOT / "gateway/console/pages/vendor"
    carried = {str(path.relative_to(ROOT)): path.read_bytes() for path in pages.rglob("*.*")}
    make_wheel(tmp_path, "zegel", "0.1.0", "py3-none-any", files=carried)
    text = bill(tmp_path)
    assert faults(text) is None
    (wheel,) = json.loads(text)["metadata"]["component"]["components"]
    leaflet = {"type": "library", "name": "leaflet", "version": "1.9.4", "purl": "pkg:npm/leaflet@1.9.4"}
    assert wheel["components"] == [leaflet]


def test_the_same_wheels_make_the_same_bytes_and_others_another_number(wheels):
    first = bill(wheels)
    assert bill(wheels) == first
    make_wheel(wheels, "y", "1", "py3-none-any")
    assert json.loads(bill(wheels))["serialNumber"] != json.loads(first)["serialNumber"]


def test_the_schema_refuses_what_is_no_bill(wheels):
    made = json.loads(bill(wheels))
    made["components"][0]["type"] = "wheel"
    assert faults(json.dumps(made))
