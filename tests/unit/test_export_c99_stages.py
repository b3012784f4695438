"""Every stage as C99 gives what ONNX Runtime gives, within the last digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from c99_examples import Files, load_together, need
from c99_stages import fitted, in_onnxruntime, need_compiler, share_of_tolerance
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import STRICT, CModel
from edgewright.graph.onnx_writer import to_onnx
from stage_examples import CASES


@pytest.fixture(scope="module")
def sources() -> dict[str, Files]:
    """Return the C of every stage by its name."""
    graphs = {f"{kind}{number}": fitted(room, kind, number)[0] for room, kind, number in CASES}
    return {name: write_c99(graph, CodeOptions(name)) for name, graph in graphs.items()}


@pytest.fixture(scope="module")
def models(sources: dict[str, Files], tmp_path_factory: pytest.TempPathFactory) -> dict[str, CModel]:
    """Return every stage, compiled together."""
    need_compiler()
    folder = tmp_path_factory.mktemp("stages")
    return load_together(sources, folder, flags=(*STRICT, "-O1", "-ffp-contract=off"))


@pytest.mark.parametrize(("room", "kind", "number"), CASES)
def test_a_stage_in_c_gives_what_onnx_runtime_gives(
    room: str, kind: str, number: int, models: dict[str, CModel]
) -> None:
    graph, _, X = fitted(room, kind, number)
    answer = models[f"{kind}{number}"].predict(X)
    assert share_of_tolerance(in_onnxruntime(to_onnx(graph), X), answer.outputs["prediction"]) <= 1.0
    np.testing.assert_array_equal(
        answer.stages[kind].ravel(), answer.outputs["prediction"].ravel(), err_msg="the tap is not the output"
    )


@pytest.mark.slow
def test_clang_warns_of_no_stage_without_taps(sources: dict[str, Files], tmp_path: Path) -> None:
    need("clang")
    assert load_together(sources, tmp_path, flags=(*STRICT, "-O0"), compiler="clang", taps=False).keys() == set(sources)
