"""What `init --yes` and `run` reach on a plain file: its samples, its split and its answers to the test samples."""

from __future__ import annotations

import contextlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.own_data.choosing import Labels, Rows, score
from benchmarks.table import python
from edgewright.core.records.data import Samples, Split
from edgewright.export.answering import load
from edgewright.pipeline.config import read_config
from edgewright.pipeline.material import prepare
from edgewright.pipeline.plan import data_plan
from edgewright.pipeline.run_folder.folder import judged_of


@dataclass(frozen=True)
class ProposedRun:
    """A run.

    Attributes:
        samples, sides: as `init` framed and split them.
        answers: of the float model to the test samples, shape (test,).
        left_out: accuracy on each person who was left out once; empty where nobody was.
    """

    samples: Samples
    sides: Split
    answers: Labels
    left_out: dict[str, float]

    @property
    def choosing(self) -> Rows:
        """Samples that may choose: all but the test samples."""
        return np.sort(np.concatenate([self.sides.train, self.sides.validation]))


def found_by_init(folder: Path, file: str) -> ProposedRun:
    """Run both commands, unless the folder has their run already, and read what they found.

    Raises:
        subprocess.CalledProcessError: a command failed.
        ValueError: samples or score of the test samples differ from the record of the run.
    """
    edgewright = str(Path(python()).with_name("edgewright"))
    if not (folder / "runs").is_dir():
        for command in (["init", file, "--yes"], ["run", "pipeline.toml"]):
            subprocess.run([edgewright, *command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (run,) = (folder / "runs").iterdir()
    with contextlib.chdir(folder):
        material = prepare(data_plan(read_config("pipeline.toml", ())), None)
    trace = json.loads((run / "trace.json").read_text())
    test = material.sides.test
    answers = load(judged_of(run), form="float").predict(np.asarray(material.samples.X[test])).labels
    evaluation = trace["evaluation"]
    same_score = abs(score(material.samples.y[test], answers) - evaluation["macro_f1"]["value"]) < 1e-9
    if material.sha256 != trace["provenance"]["data_hash"] or not same_score:
        raise ValueError(f"the samples or the score differ from the record of {run}")
    rows = (evaluation["left_out"] or {"groups": []})["groups"]
    return ProposedRun(material.samples, material.sides, answers, {row["group"]: row["accuracy"] for row in rows})
