"""Fitted pipelines as arrays and JSON: the same answers and the same graph after reading them back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewright import Pipeline
from edgewright.core.errors import InputError
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.run_folder.store import INDEX, STORE_VERSION, Arrays, load_fitted, pack, unpack
from small_pipeline import run_small

if TYPE_CHECKING:
    from conftest import Lesson

SHAPES = {"activity": (20,), "latency": (10,), "scalability": (20,), "demo": (6, 100)}


# Runs of the other lessons are slow: activity and demo have features of windows and windows.
@pytest.mark.parametrize(
    "name", ["activity", "demo", *(pytest.param(name, marks=pytest.mark.slow) for name in ("latency", "scalability"))]
)
def test_a_stored_pipeline_emits_the_bytes_of_the_model_in_its_folder(
    name: str, lesson: Callable[[str], Lesson]
) -> None:
    folder = lesson(name).folder
    assert Pipeline.load(folder).to_onnx(SHAPES[name], name) == (folder / "model.onnx").read_bytes()


@pytest.mark.slow
def test_what_is_stored_is_named_as_in_the_configuration(small: Path, tmp_path: Path) -> None:
    folder = run_small(small, tmp_path / "runs").folder / "pipeline"
    index, steps = load_fitted(folder)
    assert [name for name, _ in steps] == ["impute", "scale", "model"]
    assert [stage.table["kind"] for stage in index.stages] == ["impute", "scale"]
    assert [stage.context.names for stage in index.stages] == [("a", "b"), ("a", "b")]
    assert (index.task, index.version) == ("classification", STORE_VERSION)
    assert graph_of(steps, (2,), "small").labels == ("off", "on")


@pytest.mark.slow
def test_damaged_missing_and_newer_stores_are_refused(small: Path, tmp_path: Path) -> None:
    run = run_small(small, tmp_path / "runs").folder
    index = run / "pipeline" / INDEX
    whole = index.read_bytes()
    index.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="expected an undamaged fitted pipeline"):
        Pipeline.load(run)
    index.write_bytes(b"[]")
    with pytest.raises(InputError, match="expected an undamaged fitted pipeline"):
        Pipeline.load(run)
    table = msgspec.json.decode(whole)
    index.write_bytes(msgspec.json.encode({**table, "version": STORE_VERSION + 1}))
    with pytest.raises(InputError, match=f"stored pipeline of version {STORE_VERSION}, got {STORE_VERSION + 1}"):
        Pipeline.load(run)
    index.write_bytes(whole)
    array = sorted(run.rglob("*.npy"))[0]
    kept = array.read_bytes()
    array.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(InputError, match="expected an undamaged fitted pipeline"):
        Pipeline.load(run)
    array.unlink()
    with pytest.raises(InputError, match=r"expected .* fitted pipeline"):
        Pipeline.load(run)
    with pytest.raises(InputError, match="expected a fitted pipeline, got no such file"):
        Pipeline.load(tmp_path / "nowhere")


@pytest.mark.slow
def test_an_array_of_objects_is_never_read(small: Path, tmp_path: Path) -> None:
    run = run_small(small, tmp_path / "runs").folder
    array = sorted(run.rglob("*.npy"))[0]
    np.save(array, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"expected an undamaged fitted pipeline, got .*allow_pickle"):
        Pipeline.load(run)


def test_what_is_neither_array_nor_json_is_a_defect_that_shows() -> None:
    with pytest.raises(TypeError, match="object array would need pickle"):
        pack(np.array([{}], dtype=object), {}, "x")
    with pytest.raises(TypeError, match="set is neither an array nor JSON"):
        pack({"a": {1}}, {}, "x")


def test_numbers_that_json_lacks_are_kept() -> None:
    packed = msgspec.json.decode(msgspec.json.encode(pack([np.inf, np.float32(-np.inf), np.nan], {}, "x")))
    np.testing.assert_array_equal(unpack(packed, {}), [np.inf, -np.inf, np.nan])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@settings(max_examples=60)
@given(VALUES, st.lists(st.floats(width=32), min_size=1, max_size=4))
def test_what_is_packed_comes_back(value: object, numbers: list[float]) -> None:
    arrays: Arrays = {}
    array = np.asarray(numbers, np.float32)
    packed = pack({"value": value, "array": [array, np.float32(0.5)]}, arrays, "stage")
    assert unpack(msgspec.json.decode(msgspec.json.encode(packed)), arrays) == {"value": value, "array": [array, 0.5]}
    assert arrays["stage.array.0.npy"] is array
