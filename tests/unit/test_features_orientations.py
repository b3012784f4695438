"""Orientations of edges in cells of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from c99_stages import need_compiler
from edgewright.core.engines.onnxruntime import open_session
from edgewright.core.errors import StageSettingsError
from edgewright.core.records.network import Graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import STRICT, load_c99
from edgewright.export.write import program_of
from edgewright.features.colours import Colours
from edgewright.features.orientations import Orientations
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.graph.stage import emit
from edgewright.models.kernel_machine import KernelMachine
from edgewright.models.linear import Linear

Floats = NDArray[np.float32]
SIDE = 26


def edge(degrees: float, contrast: float = 100.0) -> Floats:
    """Return a picture that is darker on one side of a line through its middle, blurred over three pixels."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    angle = np.radians(degrees)
    side = np.clip((x * np.cos(angle) + y * np.sin(angle)) / 3, -1, 1)
    return np.asarray(np.round(128 + contrast * side)[None, None], np.float32)


def counted(picture: Floats, **settings: object) -> Floats:
    stage = Orientations(cells=1, **settings).fit(picture)  # type: ignore[arg-type]
    return np.asarray(stage.transform(picture)[0])


def graph_with(stage: Orientations | Colours, X: Floats) -> Graph:
    builder = Builder("stage", X.shape[1:])
    value = emit(stage, builder, builder.input)
    return builder.finish({"prediction": (value, "float32", stage.transform(X[:1]).shape[1:])})


@pytest.mark.parametrize("number", range(8))
def test_an_edge_counts_for_its_direction(number: int) -> None:
    counts = counted(edge(22.5 * number))
    assert counts.argmax() == number
    others = np.delete(counts, [(number - 1) % 8, number, (number + 1) % 8])
    assert others.max() < 0.35 * counts[number]
    # Light from the other side makes the same edge.
    np.testing.assert_allclose(counted(edge(22.5 * number + 180)), counts, atol=1e-6)


def test_an_edge_between_two_directions_counts_for_both() -> None:
    counts = counted(edge(33.75))
    assert sorted(np.argsort(counts)[-2:]) == [1, 2]
    assert counts[1] == pytest.approx(counts[2], rel=0.25)


def test_light_and_contrast_do_not_count_but_a_flat_picture_is_flat() -> None:
    strong, weak = counted(edge(22.5)), counted(edge(22.5, 30.0) + 60)
    np.testing.assert_allclose(weak, strong, atol=0.25 * strong.max())
    assert weak.argmax() == strong.argmax()
    noise = np.round(np.random.default_rng(0).normal(128, 0.4, (1, 1, SIDE, SIDE))).astype(np.float32)
    assert counted(noise).max() < 0.5 * strong.max()
    assert not counted(np.full((1, 1, SIDE, SIDE), 77.0, np.float32)).any()


def test_names_stand_where_the_edges_are() -> None:
    picture = np.zeros((1, 3, SIDE, SIDE), np.float32)
    picture[:, :, :, 5:] = 200.0  # an upright edge, left
    stage = Orientations(cells=2, directions=4, names=("red", "green", "blue")).fit(picture)
    names = list(stage.get_feature_names_out())
    assert len(names) == 16 == stage.transform(picture).shape[1]
    strong = {names[n] for n in np.flatnonzero(stage.transform(picture)[0] > 0.1)}
    assert strong == {"0 degrees 1.1", "0 degrees 2.1"}


@pytest.mark.slow
@pytest.mark.parametrize("side", [26, 32])
def test_sums_of_whole_numbers_are_the_same_bits_in_every_form_and_take_no_memory(side: int, tmp_path: Path) -> None:
    need_compiler()
    X = np.random.default_rng(1).integers(0, 256, (20, 3, side, side)).astype(np.float32)
    stage = Orientations(normalise="none").fit(X)
    own, graph = stage.transform(X), graph_with(stage, X)
    assert (own == np.rint(own)).all()
    assert own.max() < 2**24
    np.testing.assert_array_equal(open_session(to_onnx(graph)).run(None, {"input": X})[0], own)
    in_c = load_c99(write_c99(graph, CodeOptions("edges")), tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off"))
    np.testing.assert_array_equal(in_c.predict(X).outputs["prediction"].reshape(own.shape), own)
    assert program_of(graph).constants == 0
    assert program_of(graph).values < 1_000


def test_colours_are_counted_without_memory() -> None:
    X = np.random.default_rng(2).integers(0, 256, (4, 3, 96, 96)).astype(np.float32)
    assert program_of(graph_with(Colours().fit(X), X)).values < 1_000


@pytest.mark.slow
def test_written_digits_are_told_apart_better_than_by_their_pixels() -> None:
    digits = load_digits()
    X = np.round(digits.images[:, None] * 15.9).astype(np.float32)
    train, test = slice(0, 1200), slice(1200, None)
    features = Orientations(cells=3).fit(X).transform(X)

    def right(model: Linear | KernelMachine, rows: Floats) -> float:
        rows = (rows - rows[train].mean(axis=0)) / (rows[train].std(axis=0) + 1e-6)
        return float((model.fit(rows[train], digits.target[train]).predict(rows[test]) == digits.target[test]).mean())

    assert right(Linear(), features) > right(Linear(), X.reshape(len(X), -1)) + 0.02
    assert right(KernelMachine(), features) > 0.94


def test_pictures_smaller_than_the_cells_are_refused() -> None:
    with pytest.raises(StageSettingsError, match="pictures of at least 6 x 6 pixels, got a side of 5"):
        Orientations().fit(np.zeros((3, 1, 5, 9), np.float32))
