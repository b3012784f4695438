"""Writers of weighted operators for RISC-V vectors, one lane per output channel (docs/research/generated-code.md).

A byte of the input meets the weights of as many channels as a vector holds. Sums need no adding across lanes and are
rescaled in lanes, too. A strip of as many output channels as the vectors of the processor hold has its sums in 8
registers, v8 to v15. Vectors of any length give the same bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgewright.export.c99_code.parts import filled, parts
from edgewright.export.c99_code.source import Source
from edgewright.export.c99_code.text import NOINLINE
from edgewright.export.c99_code.unit import Unit
from edgewright.export.c99_operators import Site
from edgewright.export.c99_operators._place import first_tap, kernel_of, over_places
from edgewright.export.c99_operators._rounding import Start, exact, factors_of, settle, single, start_of

PREFIX = "lanes "
"""Begins the kinds of work that steps of this folder do."""
C = parts(__file__, "lanes.c")


def write_lanes(site: Site) -> Source | None:
    """Return the output of an operator as written for lanes; None, having written nothing, where a bound forbids it."""
    kind = site.operator.kind
    # A single channel is faster without lanes.
    if site.unit.slots or kind not in ("dense", "conv", "depthwise") or site.target.shape[-1] < 2:
        return None
    site.unit.work = f"{PREFIX}{kind}"
    return _dense(site) if kind == "dense" else _convolution(site, planes=kind == "depthwise")


def _dense(site: Site) -> Source | None:
    weights, start = site.operator.arrays["weights"], start_of(site, 0)
    call = _call(site, start, weights.T, (0, 0, 0), planes=False)
    if call is None:
        return None
    site.step([*call[0], f"{call[1]}({site.name()}, {call[2]}, 1, {weights.shape[1]}, {site.result}, &layer);"])
    return site.output


def _convolution(site: Site, *, planes: bool) -> Source | None:
    k, weights = kernel_of(site), site.operator.arrays["weights"]
    (_, width, channels), filters, columns = k.source, k.places[2], k.size[1]
    grouped = filters != channels if planes else site.operator.numbers.get("groups", (1,))[0] > 1
    if grouped or min(k.fewest) < 1 or (not planes and k.dilations[1] > 1):
        return None
    start = start_of(site, 2 if planes else 0, padded=k.padded)
    table = weights.reshape(-1, filters) if planes else np.moveaxis(weights, 0, -1).reshape(-1, filters)
    # Taps that lie side by side are one run of bytes; those of a plane lie apart.
    each = 1 if planes else channels
    rows = (k.dilations[0] * width * channels, columns * each * filters, k.dilations[1] * channels)
    call = _call(site, start, table, rows, planes=planes)
    if call is None:
        return None
    at, tap, count = first_tap(k)
    run = k.taps if each == 1 else f"{k.taps} * {each}"
    weights_at = f"{call[2]} + ({tap}) * {each * filters}"
    result = f"{site.result} + place * {filters}"
    site.step(
        [
            *call[0],
            *over_places(k, [f"{call[1]}({site.name()} + {at}, {weights_at}, {count}, {run}, {result}, &layer);"]),
        ]
    )
    return site.output


def _call(
    site: Site, start: Start, weights: NDArray[np.int8], steps: tuple[int, int, int], *, planes: bool
) -> tuple[list[str], str, str] | None:
    """Return the layer's settings as lines, its function and its weights; None where a bound does not hold."""
    unit, channels = site.unit, weights.shape[1]
    multipliers, shifts = factors_of(site, channels)
    bias, rows = start.bias, weights.T.astype(np.int64)
    if not exact(site, _largest(bias, rows), multipliers, shifts):
        bias, rows = settle(site, start, rows, multipliers, shifts)
        if not exact(site, _largest(bias, rows), multipliers, shifts):
            return None
    same = len(set(zip(multipliers.tolist(), shifts.tolist(), strict=True))) == 1
    factors = (array[: 1 if same else None].astype(np.int32) for array in (multipliers, shifts))
    tables = [unit.table(bias.astype(np.int32), "bias")]
    tables += [unit.table(array, role) for array, role in zip(factors, ("multiplier", "shift"), strict=True)]
    name = _function(unit, planes=planes, once=single(site), less=bool(start.zero))
    numbers = (0 if same else 4, channels, *steps, int(start.zero or 0), site.target.zero)
    settings = ", ".join([*tables, *map(str, numbers)])
    layer = f"static const {unit.name}_layer layer = {{{settings}}};"
    return [layer], name, unit.table(rows.T.astype(np.int8), "weights")


def _largest(bias: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the largest absolute value of each sum; a byte less a zero point has 8 bits and a sign."""
    return np.asarray(np.abs(bias) + 255 * np.abs(rows).sum(axis=1))


def _function(unit: Unit, *, planes: bool, once: bool, less: bool) -> str:
    """Write the function that works all channels out at a place; return its name.

    Args:
        unit: where it goes.
        planes: whether every channel has a plane of its own.
        once: whether products are rounded once.
        less: whether the zero point of the input is taken off each byte.
    """
    unit.helper("apart", NOINLINE)
    unit.helper("layer", C["layer"])
    name = "_".join(("planes" if planes else "filters", "once" if once else "twice", *(("less",) if less else ())))
    return unit.helper(name, filled(C["function"], function=name, planes=planes, once=once, less=less))
