"""Fully connected layer on bytes."""

from __future__ import annotations

from edgewright.export.c99_operators import Site, kernel
from edgewright.export.c99_operators._rounding import bias_text, folded_bias, less, requantised


@kernel("dense")
def dense(site: Site) -> None:
    """A dot product for each output; the zero point of the input is within the bias."""
    weights = site.operator.arrays["weights"]
    outputs, inputs = weights.shape
    bias, folded = folded_bias(site, 0)
    x = f"{site.name()}[i]" if folded else f"({site.name()}[i]{less(site.values[0].zero)})"
    site.step(
        [
            f"const int8_t *w = {site.unit.table(weights)};",
            f"for (int j = 0; j < {outputs}; ++j, w += {inputs}) {{",
            f"    int32_t sum = {bias_text(site, bias, 'j')};",
            f"    for (int i = 0; i < {inputs}; ++i) {{",
            f"        sum += {x} * w[i];",
            "    }",
            f"    {site.result}[j] = {requantised(site, 'sum', 'j')};",
            "}",
        ]
    )
