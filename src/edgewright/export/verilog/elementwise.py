"""Operators of single bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgewright.export.verilog import Loop, Site, Step, kernel


@kernel("relu", "quantise")
def requantised(site: Site) -> Iterator[Step]:
    """Yield a step that brings each byte to another grid."""
    yield Step(
        read=site.source,
        write=site.result,
        taps=(Loop(1, 0),),
        outputs=(Loop(int(np.prod(site.values[0].shape)), 1, 1),),
        factors=site.factors()[:1],
        zero=site.values[0].zero,
        target=site.values[-1].zero,
        low=site.operator.low,
        high=site.operator.high,
    )


@kernel("logistic")
def logistic(site: Site) -> Iterator[Step]:
    """Yield a step that looks each byte up."""
    yield Step(
        read=site.source,
        write=site.result,
        taps=(Loop(1, 0),),
        outputs=(Loop(int(np.prod(site.values[0].shape)), 1, 1),),
        weights=site.operator.arrays["table"],
        table=True,
        keeps=True,
    )
