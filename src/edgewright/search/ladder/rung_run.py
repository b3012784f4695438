"""Run of a rung: runs its pipeline from data to package and report page."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edgewright.core.files import write_atomic
from edgewright.pipeline.evaluate import Crossed
from edgewright.pipeline.listener import Listener
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.race.metrics import codes
from edgewright.schema.config import PipelineConfig
from edgewright.schema.ladder import LadderRecord
from edgewright.schema.trace_flow import encode_record
from edgewright.search.ladder.measurement import Ladder
from edgewright.training.losses import LOSSES, temperature

LADDER_FILE = "ladder.json"


def rung_config(ladder: Ladder, name: str) -> PipelineConfig:
    """Return the pipeline of a rung, named after the pipeline and the rung.

    Raises:
        UnknownNameError: there is no such rung.
        InputError: the problem cannot use the rung.
    """
    config = ladder.standing(name).entrant.config
    held_out = bool(ladder.problem.held_out)
    split = msgspec.structs.replace(config.split, validation=0.0, validation_groups=())
    if not held_out:
        split = msgspec.structs.replace(split, test_groups=_compared(ladder))
    return msgspec.structs.replace(
        config, name=run_name(config.name, name), scaling=None, split=split, refit=not held_out
    )


def run_name(of: str, rung: str) -> str:
    """Return the name of the run of a rung."""
    return f"{of}-{rung.replace('_', '-')}"[:64]


def _compared(ladder: Ladder) -> tuple[str, ...]:
    """Return the group on which the forms of a model are compared where groups are few.

    It is the largest group whose classes all occur in other groups too; empty where there is none.
    """
    problem, groups = ladder.problem, ladder.problem.samples.groups
    if not ladder.judge.few or problem.by != "group" or groups is None:
        return ()
    names, counts = np.unique(groups, return_counts=True)
    for name in names[np.argsort(-counts, kind="stable")]:
        if problem.task != "classification" or len(np.unique(problem.y[groups != name])) == len(problem.classes):
            return (str(name),)
    return ()


def crossed_of(ladder: Ladder, name: str) -> Crossed:
    """Return the cross-validated predictions and scores of a rung; computed on first use."""
    problem = ladder.problem
    answers = ladder.crossed(name)
    heat = 1.0
    if problem.task == "classification":
        logits = np.log(np.clip(answers, 1e-7, 1.0))
        heat = temperature(logits, codes(problem), LOSSES["softmax_cross_entropy"])
    return Crossed(
        answers=answers, classes=problem.classes, kept=problem.by, folds=len(ladder.heats.every), units=problem.units,
        scores={ladder.metric.title: ladder.judge.score(answers)}, temperature=heat, evaluates=not problem.held_out,
    )  # fmt: skip


def run_rung(
    ladder: Ladder,
    name: str,
    *,
    out: Path,
    force: bool = False,
    listener: Listener | None = None,
    command: str = "",
    record: LadderRecord | None = None,
) -> RunResult:
    """Run the pipeline of a rung; its additional files and the ladder record are written to the run folder.

    The model is fitted on all samples of the ladder, and the reported scores are those of the ladder's folds. Where
    the ladder holds out groups, the model never sees them and the test report uses them.

    Args:
        ladder: ladder of the problem; it does not have to be climbed.
        name: name of the rung.
        out: folder of runs.
        force: replace an existing run folder of this name.
        listener: receives the events of the run.
        command: command line for the provenance.
        record: record of the ladder, if it was climbed.
    """
    config = rung_config(ladder, name)
    crossed = crossed_of(ladder, name)
    result = run_pipeline(config, out=out, force=force, listener=listener, command=command, crossed=crossed)
    standing = ladder.standing(name)
    if standing.fitted is not None:
        for file, content in standing.entrant.candidate.extra_files(standing.fitted, ladder.problem).items():
            write_atomic(result.folder / file, content)
    if record is not None:
        write_atomic(result.folder / LADDER_FILE, encode_record(record))
    return result
