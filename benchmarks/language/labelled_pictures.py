"""Students of a machine's labels on photographs of groceries: `python -m benchmarks.language.labelled_pictures`.

The encoder is the small pair of `picture_pair`, trained on the photographs of three quarters of the coarse classes. The
project holds training photographs of the quarter that it never saw, in `CLASSES` classes with the most of them; people
(the true labels) label `LABELLED` of them. The validation part judges, and the threshold is that of the sentences.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.language.labelled_students import audited_labels, shipped, suggested
from benchmarks.language.picture_pair import coarse_names, fit_tower, line_of, shelf, write_pair
from benchmarks.language.row import encoder_directory
from benchmarks.table import markdown
from edgewright.language.documents.media_encoder import MediaEncoder
from edgewright.language.embedding import load
from edgewright.language.labelling.items import make, read_items
from edgewright.language.labelling.project import Project

CLASSES, LABELLED, MINIMUM = 6, 100, 0.95


def main() -> int:
    """Print how the labels stand, and a row for each student where the audit accepts them."""
    text = encoder_directory()
    if text is None:
        print("an encoder is absent")
        return 1
    names, train, val = coarse_names(), shelf("train"), shelf("val")
    unseen = np.arange(len(names)) % 4 == 3
    known = ~unseen[train.truth]
    counts = np.bincount(train.truth[~known], minlength=len(names))
    chosen = np.argsort(-counts, kind="stable")[:CLASSES]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        lines = load(text).encode([line_of(name) for name in names])
        pair = write_pair(folder / "pair", text, fit_tower(train.pictures[known], train.truth[known], lines))
        truth: dict[str, str] = {}
        photographs, judges = folder / "photographs", folder / "judges"
        for number in chosen.tolist():
            (judges / names[number]).mkdir(parents=True)
        photographs.mkdir()
        for number, (file, coarse) in enumerate(zip(train.files, train.truth.tolist(), strict=True)):
            if coarse in chosen:
                truth[f"{number}.jpg"] = names[coarse]
                (photographs / f"{number}.jpg").write_bytes(file)
        for number, (file, coarse) in enumerate(zip(val.files, val.truth.tolist(), strict=True)):
            if coarse in chosen:
                (judges / names[coarse] / f"{number}.jpg").write_bytes(file)
        make(folder / "shelf.labelling", photographs, read_items(photographs),
             {names[k]: line_of(names[k]) for k in chosen.tolist()})  # fmt: skip
        encoder = MediaEncoder(pair)
        with Project(folder / "shelf.labelling") as project:
            labelled, items = suggested(project, truth, encoder, MINIMUM, LABELLED)
            report = audited_labels(project, truth)
            print(f"{labelled} of {items} labelled, {report}", flush=True)
            rows = shipped(project, encoder, judges, folder / "students", "groceries")
    print(markdown(["set", "model", "bytes", "right"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
