"""What a rung costs a device: one function, so that the ladder and the estimator meet in one place."""

from __future__ import annotations

from edgewright.graph.stage import Emitting
from edgewright.pipeline.footprint import footprint
from edgewright.pipeline.whole_graph import graph_of
from edgewright.profiles.footprint import Footprint
from edgewright.schema.config import PipelineConfig
from edgewright.schema.errors import EdgewrightError
from edgewright.schema.profile import Profile
from edgewright.search.ladder.contract import Fitted
from edgewright.search.problem import Problem

_FLOAT_BITS = 32


def beyond(footprint: Footprint | None, profile: Profile) -> str:
    """What of the device a footprint exceeds even at the low end of its interval; empty where it may fit."""
    if footprint is None:
        return ""
    pairs = (("flash", footprint.flash, profile.flash.value), ("RAM", footprint.ram, profile.ram.value))
    return " and ".join(name for name, spread, limit in pairs if spread.low > limit)


def price(fitted: Fitted, problem: Problem, config: PipelineConfig, profile: Profile) -> tuple[Footprint | None, str]:
    """The footprint of a fitted rung, in the form that a run would deploy; None with the reason where it has none.

    Args:
        fitted: the rung.
        problem: its samples' shape.
        config: of its run: says whether int8 is made.
        profile: of the device.
    """
    steps = list(fitted.steps())
    if not isinstance(steps[-1][1], Emitting):
        return None, "it cannot say itself in ONNX"
    shape = tuple(int(n) for n in problem.samples.X.shape[1:])
    buffer = 4 * int(problem.samples.X[0].size) if problem.window is not None else 0
    try:
        graph = graph_of(steps, shape, config.name, problem.samples.columns)
        bits = 8 if config.compression.int8 else _FLOAT_BITS
        return footprint(profile, graph, bits=bits, buffer_bytes=buffer), ""
    except EdgewrightError as error:
        return None, str(error)
