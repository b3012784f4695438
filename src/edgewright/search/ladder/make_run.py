"""A rung made into a run: its pipeline, from data to package and page, as any other."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgewright.pipeline.listener import Listener
from edgewright.pipeline.run import RunResult, run_pipeline
from edgewright.runtime.files import write_atomic
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import InputError
from edgewright.schema.ladder import LadderRecord, encode_ladder
from edgewright.search.ladder.features import config_of
from edgewright.search.ladder.measure import Ladder
from edgewright.search.ladder.rungs_found import ladder_rungs

LADDER_FILE = "ladder.json"


def rung_config(ladder: Ladder, name: str) -> PipelineConfig:
    """The pipeline of a rung, named after both.

    Raises:
        UnknownNameError: no such rung.
        InputError: the problem cannot have it.
    """
    rung = ladder_rungs((name,))[name]
    lacks = rung.lacks(ladder.problem)
    if lacks:
        raise InputError("a rung that this problem can have", f"{name}: {lacks}", "--run")
    config = rung.tail(config_of(ladder.config, ladder.problem, rung.columns))
    return msgspec.structs.replace(config, name=f"{config.name}-{name.replace('_', '-')}"[:64], scaling=None)


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
    """Runs the pipeline of a rung; what belongs beside its package, and the ladder's record, go into its folder.

    Args:
        ladder: of the problem; it need not have been climbed.
        name: of the rung.
        out: folder of runs.
        force: replace a run folder of this name.
        listener: hears the run.
        command: for the provenance.
        record: of the ladder, where it was climbed.
    """
    rung = ladder_rungs((name,))[name]
    config = rung_config(ladder, name)
    result = run_pipeline(config, out=out, force=force, listener=listener, command=command)
    fitted = rung.fit(ladder.parts(rung.columns)[-1], config)
    for file, content in rung.beside(fitted, ladder.problem).items():
        write_atomic(result.folder / file, content)
    if record is not None:
        write_atomic(result.folder / LADDER_FILE, encode_ladder(record))
    return result
