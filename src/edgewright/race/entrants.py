"""The candidates that can take part on a problem, as whole pipelines."""

from __future__ import annotations

import msgspec

from edgewright.race.contract import candidates
from edgewright.race.pipeline_end import fit_end
from edgewright.race.problem import Problem
from edgewright.race.race import Entrant
from edgewright.race.stages import config_of
from edgewright.schema.config import PipelineConfig


def entrants_of(problem: Problem, config: PipelineConfig) -> tuple[Entrant, ...]:
    """Return the candidates that fit the problem, the simplest first.

    Args:
        problem: samples that take part.
        config: pipeline with everything but stages, model and training.
    """
    bare = msgspec.structs.replace(config, stages=())
    entrants = []
    for name, one in candidates().items():
        if one.fit is not fit_end or one.unsupported_reason(problem):
            continue
        pipeline = one.suited(one.tail(config_of(bare, problem, one.columns)), problem)
        entrants.append(Entrant(name, one.title, one.rank, one.why, one.prior, pipeline))
    return tuple(entrants)
