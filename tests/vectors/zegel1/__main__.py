"""Write the vectors once more, with new samples of what is random: `python -m tests.vectors.zegel1`."""

from __future__ import annotations

from tests.vectors.zegel1 import FOLDER, encoded
from tests.vectors.zegel1.documents import documents
from tests.vectors.zegel1.samples import Samples

for name, document in documents(Samples.drawn()).items():
    (FOLDER / f"{name}.json").write_text(encoded(document))
    print(f"{name}.json")
