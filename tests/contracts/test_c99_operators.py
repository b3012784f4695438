"""Every operator that C knows gives what its NumPy form gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from c99_examples import ROUNDINGS, load_together
from c99_operator_cases import case_graph, cases
from c99_stages import need_compiler
from edgewright.core.integer.network import run_integer, with_rounding
from edgewright.core.operators import operator as numpy_operators
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.network import Array, IntegerNetwork
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99, write_network_c99
from edgewright.export.c99_host.host import STRICT, load_c99
from edgewright.export.c99_operators import kernel, operator
from integer_layers import LAYERS, some

FLAGS = (*STRICT, "-O1", "-ffp-contract=off")
# What C makes of several operators; tests/unit/test_export_c99_flash.py, _foreign.py and test_features_kernels.py are
# about them.
FUSED = {"CountKernels", "PowerSpectrum", "SumTrees", "WalkTrees"}


@pytest.fixture(autouse=True)
def compiler() -> None:
    """Skip the tests where no compiler is installed."""
    need_compiler()


@pytest.mark.slow
def test_every_float_operator_gives_what_numpy_gives(tmp_path: Path) -> None:
    graph = cases()
    x = np.random.default_rng(12).uniform(-3, 3, (4, 216)).astype(np.float32)
    stages = load_c99(write_c99(graph, CodeOptions("cases")), tmp_path, flags=FLAGS).predict(x).stages
    assert len(stages) == len(case_graph().ends)
    for stage, name in zip(stages, case_graph().ends, strict=True):
        # One sample at a time: the cases' shapes have a batch axis of 1.
        expected: list[Array] = [compile_graph(graph, [name])(row[None])[name].ravel() for row in x]
        np.testing.assert_allclose(stages[stage], np.stack(expected), rtol=2e-6, atol=4e-6, err_msg=stage)


def test_every_float_operator_has_a_case_and_a_numpy_form() -> None:
    assert set(operator.known) - set(case_graph().names) - FUSED == set()
    assert set(operator.known) - FUSED <= set(numpy_operators.known)


@pytest.mark.parametrize("kind", LAYERS)
def test_integer_layers_of_every_shape_give_every_byte_of_the_reference(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(17)
    networks: dict[str, IntegerNetwork] = {}
    for number in range(6):
        network = LAYERS[kind](rng)
        networks |= {f"{rounding}{number}": with_rounding(network, rounding) for rounding in ROUNDINGS}
    models = load_together(
        {name: write_network_c99(networks[name], name=name) for name in networks}, tmp_path, flags=FLAGS
    )
    assert len(models) == 12
    for name, network in networks.items():
        x = some(network, rng, 40)
        np.testing.assert_array_equal(models[name].network(x), run_integer(network, x).reshape(40, -1), err_msg=name)


def test_every_integer_kind_has_a_case() -> None:
    rng = np.random.default_rng(0)
    seen = {operator.kind for make in LAYERS.values() for operator in make(rng).operators}
    assert set(kernel.known) == seen
