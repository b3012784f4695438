"""The candidates that can take part on a problem, as whole pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgewright.race.contract import Candidate, candidates
from edgewright.race.pipeline_end import fit_end
from edgewright.race.problem import Problem
from edgewright.race.stages import config_of
from edgewright.schema.config import PipelineConfig


@dataclass(frozen=True)
class Entrant:
    """A candidate that takes part, and its whole pipeline for the problem."""

    name: str
    candidate: Candidate
    config: PipelineConfig


def entrant_of(name: str, candidate: Candidate, problem: Problem, config: PipelineConfig) -> Entrant:
    """Return a candidate with its pipeline: common stages for the problem, its own stages, model and training."""
    pipeline = candidate.tail(config_of(config, problem, candidate.columns))
    return Entrant(name, candidate, candidate.suited(pipeline, problem))


def entrants_of(
    problem: Problem, config: PipelineConfig, among: Mapping[str, Candidate] | None = None
) -> tuple[Entrant, ...]:
    """Return the candidates that fit the problem, the simplest first.

    Args:
        problem: samples that take part.
        config: pipeline with everything but model and training; stages of its own take the place of features.
        among: candidates by name; all that a pipeline describes completely when None.
    """
    if among is None:
        among = {name: candidate for name, candidate in candidates().items() if candidate.fit is fit_end}
    return tuple(
        entrant_of(name, candidate, problem, config)
        for name, candidate in among.items()
        if not candidate.unsupported_reason(problem)
    )
