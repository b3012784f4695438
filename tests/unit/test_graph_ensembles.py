"""Files of LightGBM and XGBoost: the answers of the tools themselves, and refusals in one line."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from edgewright.core.executor import compile_graph
from edgewright.core.onnx.reader import read_onnx
from edgewright.graph.ensembles._ubjson import read_ubjson
from edgewright.graph.from_onnx import read_model
from edgewright.graph.onnx_writer import to_onnx
from edgewright.schema.errors import InputError
from foreign import MODELS

BOOSTED = MODELS / "boosted"
NAMES = sorted(path.name.removesuffix(".npz") for path in BOOSTED.glob("*.npz"))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_answers_what_its_tool_answered(name: str) -> None:
    kept = np.load(BOOSTED / f"{name}.npz")
    graph = read_onnx(to_onnx(read_model(BOOSTED / name)))
    answers = compile_graph(graph)(kept["x"])
    if not graph.labels:
        np.testing.assert_allclose(answers["prediction"].ravel(), kept["y"], rtol=1e-6, atol=1e-6)
        return
    np.testing.assert_allclose(answers["probabilities"], kept["y"], atol=1e-6)
    assert graph.labels == tuple(str(n) for n in range(kept["y"].shape[1]))
    assert (answers["label"] == kept["y"].argmax(axis=1)).all()


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("light-three.txt", "multiclass num", "lambdarank num", "expected an objective of binary"),
        ("light-three.txt", "is_linear=0", "is_linear=1", "expected a number at each leaf, got linear_tree"),
        ("light-three.txt", "decision_type=", "decision_type=1 ", "categories"),
        ("light-two.txt", "leaf_value=", "leaf_valu=", "expected a whole model of LightGBM"),
        ("extreme-two.json", "binary:logistic", "survival:cox", "expected an objective of"),
        ("extreme-two.json", '"split_type":[0', '"split_type":[1', "splits on categories"),
        ("extreme-two.json", '"tree_info"', '"tree_inf"', "expected a whole model of XGBoost"),
    ],
)
def test_what_has_no_place_is_refused(name: str, old: str, new: str, told: str) -> None:
    text = (BOOSTED / name).read_text(encoding="utf-8")
    assert old in text
    with pytest.raises(InputError, match=told):
        read_model(text.replace(old, new, 1).encode())


@pytest.mark.parametrize("name", NAMES)
def test_damaged_bytes_are_a_model_or_a_refusal(name: str) -> None:
    data = bytearray((BOOSTED / name).read_bytes())
    rng = random.Random(0)  # noqa: S311 - damage, not secrets
    for _ in range(60):
        damaged = bytearray(data[: rng.randrange(40, len(data))] if rng.random() < 0.3 else data)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(34, len(damaged))] = rng.randrange(256)
        try:
            read_model(bytes(damaged))
        except InputError as error:
            assert "\n" not in str(error)


def test_ubjson_holds_what_json_holds() -> None:
    ours = read_ubjson((BOOSTED / "extreme-three.ubj").read_bytes())
    theirs = json.loads((BOOSTED / "extreme-three.json").read_text(encoding="utf-8"))
    assert ours["learner"]["objective"] == theirs["learner"]["objective"]
    tree, other = (model["learner"]["gradient_booster"]["model"]["trees"][3] for model in (ours, theirs))
    assert tree["left_children"] == other["left_children"]
    np.testing.assert_allclose(tree["split_conditions"], other["split_conditions"], rtol=1e-6)


def test_a_length_beyond_the_file_is_not_believed(tmp_path: Path) -> None:
    for data in (b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner[#L\x7f" + b"\xff" * 7, b"{L" + b"\x7f" * 40):
        with pytest.raises(InputError):
            read_model(data + b"learner")
