"""Layers with weights: dense ones, and convolutions with channels last, a group of channels or filters at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgewright.export.verilog import Buffer, Factor, Loop, Site, Step, kernel
from edgewright.export.verilog.movement import Windows, windows


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


@kernel("conv")
def conv(site: Site) -> Iterator[Step]:
    """Yield a step for each group; weights lie as they are used."""
    weights, groups = site.operator.arrays["weights"], site.operator.numbers.get("groups", (1,))[0]
    seen = windows(site, site.values[0].zero)
    yield from seen.before
    size, width = len(weights) // groups, weights.shape[3]
    factors = site.factors()
    for group in range(groups):
        own = slice(group * size, (group + 1) * size)
        yield _step(
            site,
            seen,
            read=Buffer(seen.read.number, group * width),
            write=Buffer(site.result.number, group * size),
            taps=(Loop(width, 1), *seen.taps),
            channels=Loop(size, 0, 1),
            factors=factors[own] if len(factors) > 1 else factors,
            weights=weights[own],
        )


@kernel("depthwise")
def depthwise(site: Site) -> Iterator[Step]:
    """Yield a step for each filter of a channel; a step goes through the channels."""
    weights = site.operator.arrays["weights"]
    seen = windows(site, site.values[0].zero)
    yield from seen.before
    each = weights.shape[2] // seen.channels
    factors = site.factors()
    for number in range(each):
        yield _step(
            site,
            seen,
            read=seen.read,
            write=Buffer(site.result.number, number),
            taps=seen.taps,
            channels=Loop(seen.channels, 1, each),
            factors=factors[number::each] if len(factors) > 1 else factors,
            weights=np.ascontiguousarray(weights[:, :, number::each].transpose(2, 0, 1)),
        )


def _step(
    site: Site,
    seen: Windows,
    *,
    read: Buffer,
    write: Buffer,
    taps: tuple[Loop, ...],
    channels: Loop,
    factors: tuple[Factor, ...],
    weights: NDArray[np.int8],
) -> Step:
    return Step(
        read=read,
        write=write,
        taps=taps,
        outputs=(channels, *seen.places),
        factors=factors,
        weights=weights,
        zero=site.values[0].zero,
        target=site.values[-1].zero,
        low=site.operator.low,
        high=site.operator.high,
    )
