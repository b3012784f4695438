"""`ladder`: how simple the model may be, measured without the groups that judge; the record of the decision."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edgewright.jobs.steps import Step, StepConfig, Work
from edgewright.pipeline.config import shipped
from edgewright.schema.job import Choice, JobFigure, StepRecord
from edgewright.schema.trace_flow import encode_record
from edgewright.search.ladder.measurement import LADDER_FILE, Ladder
from edgewright.search.ladder.model_comparison import PATIENCE
from edgewright.search.ladder.setup import problem_and_config


class Config(StepConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A ladder.

    Attributes:
        pipeline: whose data and stages it takes: a file of the job's folder, or a shipped pipeline.
        patience: rungs in a row without a significant gain after which it stops; 0 tries all.
        rungs: that are tried; all when empty.
    """

    pipeline: str = "pipeline.toml"
    patience: Annotated[int, msgspec.Meta(ge=0)] = PATIENCE
    rungs: tuple[str, ...] = ()


def _ladder(config: Config, work: Work) -> StepRecord:
    pipeline = work.pipeline(config.pipeline)
    file = config.pipeline if config.pipeline in shipped() else str(work.folder / config.pipeline)
    with work.listener.doing("Reading data"):
        problem, climbed, _ = problem_and_config(file, {}, path=work.data_of(pipeline))
    ladder = Ladder(
        problem, climbed, work.listener.doing, work.listener.ahead, patience=config.patience, rungs=config.rungs
    )
    record = ladder.climb()
    folder = work.new_folder(config)
    (folder / LADDER_FILE).write_bytes(encode_record(record))
    figures = tuple(
        JobFigure.of_interval(rung.name, f"{rung.title}{', chosen' * rung.chosen}", rung.score)
        for rung in record.rungs
        if rung.score is not None
    )  # fmt: skip
    return StepRecord(
        command=f"edgewright ladder {config.pipeline} --patience {config.patience}",
        says=tuple(text for text in (record.verdict, record.stopped, record.power, *record.notes) if text),
        figures=figures,
        choice=Choice(
            question="How simple may the model be?",
            options=figures,
            why=record.verdict,
            chosen=next((rung.title for rung in record.rungs if rung.chosen), "none"),
        ),
        folder=folder.name,
    )


STEP = Step(Config, "The simplest model that works", _ladder)
