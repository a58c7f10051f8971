"""sbom.py WHEELS: what is in a folder of wheels, as a CycloneDX 1.6 bill of materials in JSON, on standard output.

Each wheel is a file beneath the library that it is of. Beneath it stands what it carries: the parts that its own bills of
materials name (PEP 770), such as OpenSSL in cryptography, and the shared libraries that auditwheel put into it. The time is
SOURCE_DATE_EPOCH's and the serial number follows from the content, so that the same wheels make the same bytes.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import sys
import uuid
from email import message_from_bytes
from email.message import Message
from itertools import groupby
from pathlib import Path
from typing import Any
from zipfile import ZipFile

Component = dict[str, Any]
BILL = re.compile(r"(\.dist-info/sboms/.+|/vendor/.+\.cdx)\.json$")  # PEP 770; and beside what we carry ourselves
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "cyclonedx.org")
SPDX = {"MIT", "BSD-3-Clause", "BSD-2-Clause", "Apache-2.0"}  # what old metadata spells as SPDX does, too


class Wheel:
    def __init__(self, path: Path) -> None:
        self.path = path
        with ZipFile(path) as archive:
            names = sorted(archive.namelist())
            (metadata,) = (name for name in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
            self.metadata: Message = message_from_bytes(archive.read(metadata))
            self.libraries = [
                _file(Path(name).name, archive.read(name)) for name in names if re.search(r"\.libs/[^/]+\.so[^/]*$", name)
            ]
            bills = [json.loads(archive.read(name)) for name in names if BILL.search(name)]
        self.parts = [part for bill in bills for part in bill.get("components", ())]

    @property
    def key(self) -> tuple[str, str]:
        name = re.sub(r"[-_.]+", "-", self.metadata["Name"]).lower()  # PEP 503
        return name, self.metadata["Version"]

    def component(self) -> Component:
        inside = [{key: part[key] for key in ("type", "name", "version", "purl") if key in part} for part in self.parts]
        found = _file(self.path.name, self.path.read_bytes())
        listed = list({json.dumps(part): part for part in [*inside, *self.libraries]}.values())
        return {**found, **({"components": listed} if listed else {})}


def _file(name: str, data: bytes) -> Component:
    return {"type": "file", "name": name, "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]}


def _licences(metadata: Message) -> Component:
    if expression := metadata["License-Expression"]:
        return {"licenses": [{"expression": expression}]}
    names = [line.rpartition(":: ")[2] for line in metadata.get_all("Classifier", ()) if line.startswith("License ::")]
    name = next(iter(names), metadata["License"] or "")
    return {"licenses": [{"license": {"id" if name in SPDX else "name": name}}]} if name else {}


def _library(key: tuple[str, str], wheels: list[Wheel]) -> Component:
    name, version = key
    purl = f"pkg:pypi/{name}@{version}"
    files = [wheel.component() for wheel in wheels]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        **_licences(wheels[0].metadata),
        "purl": purl,
        "components": files,
    }


def _needs(wheels: list[Wheel], refs: dict[str, list[str]]) -> list[str]:
    """What they need, of what is here."""
    lines = {line for wheel in wheels for line in wheel.metadata.get_all("Requires-Dist", ()) if "extra ==" not in line}
    names = {re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", line)[0]).lower() for line in lines}
    return sorted(ref for name in names for ref in refs.get(name, ()))


def bill(folder: Path) -> dict[str, Any]:
    wheels = sorted(map(Wheel, folder.glob("*.whl")), key=lambda wheel: (wheel.key, wheel.path.name))
    grouped = {key: list(group) for key, group in groupby(wheels, key=lambda wheel: wheel.key)}
    libraries = {key: _library(key, group) for key, group in grouped.items()}
    refs: dict[str, list[str]] = {}
    for name, version in grouped:
        refs.setdefault(name, []).append(f"pkg:pypi/{name}@{version}")
    (main,) = (key for key in grouped if key[0] == "zegel")
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    stamp = datetime.datetime.fromtimestamp(epoch, datetime.UTC)
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": stamp.isoformat().replace("+00:00", "Z"),
            "component": {**libraries[main], "type": "application"},
        },
        "components": [library for key, library in libraries.items() if key != main],
        "dependencies": [
            {"ref": libraries[key]["bom-ref"], "dependsOn": _needs(group, refs)} for key, group in grouped.items()
        ],
    }
    content = json.dumps(made, sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "serialNumber": uuid.uuid5(NAMESPACE, content).urn,
        **made,
    }


if __name__ == "__main__":
    json.dump(bill(Path(sys.argv[1])), sys.stdout, indent=1)
    sys.stdout.write("\n")
