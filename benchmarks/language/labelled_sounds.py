"""Students of a machine's labels on spoken digits: `python -m benchmarks.language.labelled_sounds`.

The encoder is the small pair of `sound_pair`, trained on words of a synthesiser, none of them a digit. The project
holds recordings of four people of FSDD, described by the phones of the ten words; people (the true labels) label
`LABELLED` of them. Where the audit refuses, they label as many more, and the threshold, which is that of the sentences
at first, is raised. Two other people judge, who chose nothing. Compared are the pair by the descriptions alone, with
the same labels of people, students at three widths, the one that ships trained on as many labels of people alone
(those of the audit counted), and the most frequent word.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from benchmarks.language.labelled_students import LIMIT, audited_labels, shipped, suggested
from benchmarks.language.row import DATA
from benchmarks.language.sound_pair import DIGITS, brought, phones_of
from benchmarks.table import markdown
from edgewright.core.own_models import choose
from edgewright.language.distillation.kinds import students_of
from edgewright.language.distillation.workflow import distil
from edgewright.language.documents.media_encoder import MediaEncoder
from edgewright.language.labelling.audit import audited
from edgewright.language.labelling.items import make, read_items
from edgewright.language.labelling.project import Project
from edgewright.language.own_models.registration import add_model
from edgewright.training.metrics import wilson

LABELLED, MINIMA, JUDGES, EVERY = 100, (0.95, 0.99, 0.99), ("theo", "yweweler"), 2


def recordings(folder: Path) -> tuple[Path, dict[str, str], Path]:
    """Write recordings under numbers; return the project's folder, its words by file, and the folder of the judges."""
    recorded, judges, truth = folder / "recorded", folder / "judges", dict[str, str]()
    recorded.mkdir()
    for word in DIGITS:
        (judges / word).mkdir(parents=True)
    with zipfile.ZipFile(DATA / "fsdd" / "recordings.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".wav"))
        for number, name in enumerate(names):
            digit, speaker, index = Path(name).stem.split("_")
            if int(index) % EVERY:
                continue
            word, file = DIGITS[int(digit)], f"{number}.wav"
            if speaker in JUDGES:
                (judges / word / file).write_bytes(archive.read(name))
            else:
                (recorded / file).write_bytes(archive.read(name))
                truth[file] = word
    return recorded, truth, judges


def by_descriptions(encoder: MediaEncoder, judges: Path, lines: dict[str, str]) -> list[str]:
    """Return the row of the pair without a label."""
    texts, right = encoder.encode(list(lines.values())), []
    for path in sorted(judges.rglob("*.wav")):
        nearest = int((encoder.encode_file(path) @ texts.T).argmax())
        right.append([*lines][nearest] == path.parent.name)
    return _row("the pair, the nearest description, no labels", encoder.bytes, sum(right), len(right))


def _row(name: str, size: int, right: int, count: int) -> list[str]:
    share = wilson(right, count)
    cells = ["digits", name, f"{size:,}" if size else "",
             f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"]  # fmt: skip
    print("; ".join(cells), flush=True)
    return cells


def by_people(folder: Path, recorded: Path, truth: dict[str, str], judges: Path, count: int, size: str) -> list[str]:
    """Return the row of a student of so many labels of people, chosen at random."""
    chosen = np.random.default_rng(0).permutation(len(truth))[:count]
    make(folder / "people.labelling", recorded, read_items(recorded), dict.fromkeys(DIGITS, ""))
    with Project(folder / "people.labelling") as project:
        items = [*project.items()]
        for index in chosen.tolist():
            project.say(items[index].id, truth[items[index].content], "truth", "typed")
        students = students_of(project, None, LIMIT, 0, lambda _: None)
        students.sizes = (size,)
        distilled = distil(project, students, folder / "people.students", judges=judges, encoder=None, limit=LIMIT,
                           seed=0, say=lambda _: None)  # fmt: skip
    student = distilled.students[0]
    right = round(student.accuracy.value * distilled.judges)
    return _row(f"student, {size}, {count} labels of people alone", student.bytes, right, distilled.judges)


def main() -> int:
    """Print how the labels stand, and a row for each model."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ["EDGEWRIGHT_MODELS"] = str(folder / "models")
        add_model(brought(folder / "words"))
        path, _ = choose("sound")
        if path is None:
            raise SystemExit("the registry does not offer the pair for sounds")
        encoder = MediaEncoder(path)
        lines = {word: phones_of(word) for word in DIGITS}
        recorded, truth, judges = recordings(folder)
        count = len([*judges.rglob("*.wav")])
        rows = [_row("the most frequent word", 0, count // len(DIGITS), count), by_descriptions(encoder, judges, lines)]
        make(folder / "digits.labelling", recorded, read_items(recorded), lines)
        with Project(folder / "digits.labelling") as project:
            for minimum in MINIMA:
                labelled, items = suggested(project, truth, encoder, minimum, LABELLED)
                report = audited_labels(project, truth)
                print(f"--least {minimum}: {labelled} of {items} labelled, {report}", flush=True)
                if audited(project).high <= LIMIT:
                    break
            answers = sum(1 for _ in project.execute("SELECT DISTINCT item FROM labels"))
            rows += shipped(project, encoder, judges, folder / "students", "digits")
        ships = next((row[1].split(",")[0] for row in rows if row[1].endswith(", ships")), "narrow")
        rows.append(by_people(folder, recorded, truth, judges, answers, ships))
    print(markdown(["set", "model", "bytes", "right"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
