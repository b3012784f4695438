"""GRU, which .tflite has no operator for: written out sample by sample over shared weights."""

from __future__ import annotations

import numpy as np

from edgewright.core.operators.recurrent import SEQUENCE, WINDOW
from edgewright.export.tflite_graph_operators import Site, reshaped, says
from edgewright.export.tflite_graph_operators.movement import joined
from edgewright.schema.errors import InputError
from edgewright.schema.graph import Array


@says("GRU")
def gru(site: Site) -> None:
    """Two products for all samples of the window, and fourteen operators a sample.

    Raises:
        InputError: for weights that are computed.
    """
    arrays = [site.fixed(sample) for sample in (1, 2, 3)]
    if WINDOW not in site.node.attributes or any(array is None for array in arrays):
        raise InputError("constant weights, over a window", "others", site.where)
    weights, recurrent, both = (np.asarray(array, np.float32)[0] for array in arrays)
    _, channels, samples = site.source().shape
    units = recurrent.shape[1]
    bias, late = both.reshape(2, -1)
    after = site.node.attributes.get("linear_before_reset", 0)
    gates, fresh = slice(0, 2 * units), slice(2 * units, 3 * units)
    turned = site.step("TRANSPOSE", site.tensor(), site.numbers(0, 2, 1), shape=(1, samples, channels))
    rows = reshaped(site, turned, (1, samples, channels), (samples, channels))
    # What the gates add to the state's part, its bias included, and what the new state does.
    to_gates = _product(site, rows, weights[gates], bias[gates] + late[gates], samples)
    to_fresh = _product(site, rows, weights[fresh], bias[fresh], samples)
    state, every = site.builder.constant(np.zeros((1, units), np.float32)), []
    for sample in range(samples):
        own = _product(site, state, recurrent[gates], np.zeros(2 * units, np.float32), 1)
        both_gates = site.step("ADD", _row(site, to_gates, sample, 2 * units), own, shape=(1, 2 * units))
        opened = site.step("LOGISTIC", both_gates, shape=(1, 2 * units))
        kept, seen = (_cut(site, opened, (0, start), units) for start in (0, units))
        reached = state if after else site.step("MUL", seen, state, shape=(1, units))
        late_sum = _product(site, reached, recurrent[fresh], late[fresh], 1)
        late_sum = site.step("MUL", seen, late_sum, shape=(1, units)) if after else late_sum
        candidate = site.step("ADD", _row(site, to_fresh, sample, units), late_sum, shape=(1, units))
        candidate = site.step("TANH", candidate, shape=(1, units))
        kept_part = site.step("MUL", kept, site.step("SUB", state, candidate, shape=(1, units)), shape=(1, units))
        state = site.step("ADD", candidate, kept_part, shape=(1, units))
        every.append(state)
    if site.node.attributes[WINDOW] != SEQUENCE:
        site.finish(state)
        return
    columns = [(reshaped(site, row, (1, units), (1, units, 1)), 1) for row in every]
    site.finish(joined(site, 2, columns))


def _product(site: Site, x: int, weights: Array, bias: Array, rows: int) -> int:
    added = [site.builder.constant(np.ascontiguousarray(array)) for array in (weights, bias)]
    return site.step("FULLY_CONNECTED", x, *added, shape=(rows, len(weights)))


def _row(site: Site, rows: int, sample: int, width: int) -> int:
    return _cut(site, rows, (sample, 0), width)


def _cut(site: Site, tensor: int, begin: tuple[int, int], width: int) -> int:
    return site.step("SLICE", tensor, site.numbers(*begin), site.numbers(1, width), shape=(1, width))
