"""Write the vectors once more: `python -m tests.vectors.zegel1`; with `--draw` new samples of what is random are drawn."""

from __future__ import annotations

import sys

from tests.vectors.zegel1 import FOLDER, encoded
from tests.vectors.zegel1.documents import documents
from tests.vectors.zegel1.samples import Samples

samples = Samples.drawn() if sys.argv[1:] == ["--draw"] else Samples.recorded()
for name, document in documents(samples).items():
    (FOLDER / f"{name}.json").write_text(encoded(document))
    print(f"{name}.json")
