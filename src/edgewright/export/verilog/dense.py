"""Fully connected layers: a dot product for each output."""

from __future__ import annotations

from collections.abc import Iterator

from edgewright.export.verilog import Loop, Site, Step, kernel


@kernel("dense")
def dense(site: Site) -> Iterator[Step]:
    """Yield one step; the loop over inputs is the only one for an output."""
    weights = site.operator.arrays["weights"]
    outputs, inputs = weights.shape
    yield Step(
        read=site.source,
        write=site.result,
        taps=(Loop(inputs, 1),),
        outputs=(Loop(outputs, 0, 1),),
        factors=site.factors(),
        weights=weights,
        zero=site.values[0].zero,
        target=site.values[-1].zero,
        low=site.operator.low,
        high=site.operator.high,
    )
