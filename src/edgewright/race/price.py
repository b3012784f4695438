"""What a fitted pipeline takes of a device: flash, RAM and time of the whole program, and whether it fits."""

from __future__ import annotations

from edgewright.graph.stage import Emitting
from edgewright.pipeline.footprint import fill_bytes, footprint
from edgewright.pipeline.whole_graph import graph_of
from edgewright.profiles.footprint import Footprint
from edgewright.race.contract import Fitted
from edgewright.race.problem import Problem
from edgewright.schema.budget import Budget
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.profile import Profile

_FLOAT_BITS = 32


def beyond(footprint: Footprint | None, limits: Budget) -> str:
    """Return what ('flash', 'RAM', 'latency') a footprint exceeds even at its lower bound; empty where it may fit."""
    if footprint is None:
        return ""
    pairs = (
        ("flash", footprint.flash, limits.flash),
        ("RAM", footprint.ram, limits.ram),
        ("latency", footprint.latency_us, limits.latency_us),
    )
    return " and ".join(
        name for name, spread, limit in pairs if spread is not None and limit is not None and spread.low > limit
    )


def price(fitted: Fitted, problem: Problem, config: PipelineConfig, profile: Profile) -> tuple[Footprint | None, str]:
    """Estimate the footprint of a fitted rung in the form that a run deploys; None with the reason if impossible.

    Args:
        fitted: fitted rung.
        problem: problem that defines the shape of the samples.
        config: pipeline of the run, which sets int8 or float32.
        profile: device profile.
    """
    steps = list(fitted.steps())
    if not isinstance(steps[-1][1], Emitting):
        return None, "it has no ONNX form"
    shape = tuple(int(n) for n in problem.samples.X.shape[1:])
    try:
        graph = graph_of(steps, shape, config.name, problem.samples.columns)
        bits = 8 if config.compression.int8 else _FLOAT_BITS
        return footprint(profile, graph, bits=bits, buffer_bytes=fill_bytes(profile, graph, problem.window)), ""
    except EdgewrightError as error:
        return None, str(error)
