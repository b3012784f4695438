"""Fully connected layer on bytes."""

from __future__ import annotations

from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._dots import TOGETHER, dots, interleaved, over_channels
from edgewright.export.c99_operators._rounding import start_of


@kernel("dense")
def dense(site: Site) -> None:
    """A dot product for each output; the zero point of the input is within the bias."""
    weights = site.operator.arrays["weights"]
    outputs, inputs = weights.shape
    start = start_of(site, 0)

    def sums(count: int) -> list[str]:
        call = dots(site.unit, count, start.zero)
        return [call(site.name(), "w", str(inputs)), f"w += {count * inputs};"]

    site.step(
        [
            f"const int8_t *w = {site.unit.table(interleaved(weights), 'weights')};",
            *over_channels(site, start, outputs, sums, together=TOGETHER, work=inputs),
        ]
    )
