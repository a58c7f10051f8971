"""Where the third-party vectors are. None is committed.

`packaged` reads what the package cryptography-vectors brings, so it is there wherever the tests can run. `shared` reads
the full sets from a folder `shared/vectors` beside the clone, and skips the test when there is none.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest

SHARED = Path(__file__).parents[2].parent / "shared" / "vectors"


def packaged(name: str) -> Any:
    return json.loads((Path(cryptography_vectors.__file__).parent / name).read_bytes())


def shared(name: str) -> Any:
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"no shared/vectors/{name} beside this clone")
    return json.loads(path.read_bytes())
