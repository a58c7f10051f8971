"""Test vectors of Zegel/1, so that another implementation can be held against SPEC.md.

The JSON files beside this one are made by `python -m tests.vectors.zegel1`; README.md says how they are used. What is
random in the constructions (certificates, ECDSA and ML-DSA signatures, HPKE) is a recorded sample; all else follows from
those samples and from one label, which the tests hold.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
Document = dict[str, Any]


def read(name: str) -> Document:
    """One of the files: "order", "beat" and so on."""
    document: Document = json.loads((FOLDER / f"{name}.json").read_text())
    return document


def encoded(document: Document) -> str:
    """A document as its file holds it: byte strings in hexadecimal."""
    return json.dumps(document, indent=1, default=bytes.hex, ensure_ascii=False) + "\n"
