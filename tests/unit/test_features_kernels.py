"""The stage `kernels`: its counts by the definition, in every form to the last bit, and what it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from c99_examples import load_together
from c99_stages import need_compiler
from edgewright.core.errors import StageSettingsError
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.executor import compile_graph
from edgewright.core.records.data import Column, Samples
from edgewright.core.records.network import Graph
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_graph.graph import plan_graph
from edgewright.export.c99_graph.recognition import KERNELS
from edgewright.export.c99_host.host import STRICT
from edgewright.export.contract import Subject
from edgewright.export.slots import slot_code
from edgewright.features.kernels import HALF, LENGTH, LIMIT, Kernels, centre_step, eliminate
from edgewright.graph.builder import Builder
from edgewright.graph.stage import SampleError, emit
from edgewright.pipeline.fitting import fit_stages
from edgewright.pipeline.plan import parts
from stage_examples import graph_bytes, run_graph

Floats = NDArray[np.float32]
# Channels and samples: the shortest window, one between, one whose centres are not in steps of 1, many channels.
SHAPES = [(1, 8), (3, 40), (2, 300), (30, 16)]


def example(channels: int, samples: int, n: int = 60) -> tuple[Floats, NDArray[np.str_]]:
    """Noise of one level in half of the windows and a slow wave in the others; the last channel never moves."""
    rng = np.random.default_rng(channels * samples)
    X = rng.normal(0.3, 1.0, (n, channels, samples)).astype(np.float32)
    X[::2] = 0.3 + np.sin(np.arange(samples) * 0.7 + rng.uniform(0, 6, (n // 2, channels, 1)))
    if channels > 1:
        X[:, -1] = 9.81
    return X, np.where(np.arange(n) % 2 == 0, "wave", "noise")


def fitted(channels: int, samples: int, **settings: Any) -> tuple[Kernels, Floats]:  # noqa: ANN401 - its arguments
    X, y = example(channels, samples)
    return Kernels(**{"keep": 30, "pool": 120, **settings}).fit(X, y), X


def graph_of(kernels: Kernels, X: Floats) -> Graph:
    builder = Builder("stage", X.shape[1:])
    return builder.finish(
        {"output": (emit(kernels, builder, builder.input), "float32", kernels.transform(X[:1]).shape[1:])}
    )


def by_definition(kernels: Kernels, window: Floats) -> list[float]:
    """Return the features of one window by loops over the samples, without a shared row or a running sum."""
    channels, samples = window.shape
    whole = np.rint((window - kernels.offset_[:, None]) * kernels.factor_[:, None]).clip(-LIMIT, LIMIT).astype(int)
    features = []
    for kernel, centre, shift in zip(kernels.kernels_.tolist(), kernels.centre_, kernels.shift_, strict=True):
        dilation, first, second, *twos, bias = kernel
        count = 0
        for t in range(samples):
            value = 0
            for k in range(LENGTH):
                at = t + (k - HALF) * dilation
                if not 0 <= at < samples:
                    continue
                for signal in (first, second):
                    row = whole[signal % channels]
                    here = row[at] if signal < channels else row[at] - row[at - 1] if at else 0
                    value += (2 if k in twos else -1) * int(here)
            count += value > bias
        features.append((count - int(centre)) / 2 ** int(shift))
    return features


@pytest.mark.parametrize(("channels", "samples"), SHAPES[:3])
def test_features_are_counts_by_the_definition(channels: int, samples: int) -> None:
    kernels, X = fitted(channels, samples, keep=12)
    assert kernels.transform(X[:2]).tolist() == [by_definition(kernels, window) for window in X[:2]]


@pytest.mark.parametrize(("channels", "samples"), SHAPES)
def test_numpy_and_onnx_runtime_give_every_bit_of_python(channels: int, samples: int) -> None:
    kernels, X = fitted(channels, samples)
    X[1, 0, 2], X[2, 0, :] = 1e30, -1e9
    expected = kernels.transform(X)
    assert len(np.unique(expected)) > 3
    assert (run_graph(kernels, X) == expected).all()
    assert (compile_graph(read_onnx(graph_bytes(kernels, X)))(X)["output"] == expected).all()


def test_values_half_way_between_integers_go_to_the_even_one_in_every_form(tmp_path: Path) -> None:
    need_compiler()
    kernels, X = fitted(3, 40)
    kernels.factor_[:], kernels.offset_[:] = 0.5, 0.25
    X = 0.25 + np.random.default_rng(3).integers(-1400, 1400, X.shape).astype(np.float32)
    expected = kernels.transform(X)
    assert (run_graph(kernels, X) == expected).all()
    c = load_together({"half": write_c99(graph_of(kernels, X), CodeOptions("half"))}, tmp_path, flags=STRICT)["half"]
    assert (c.predict(X).outputs["prediction"] == expected).all()


def test_c_counts_in_integers_and_gives_every_bit(tmp_path: Path) -> None:
    need_compiler()
    fitted_kernels = {f"k{channels}x{samples}": fitted(channels, samples) for channels, samples in SHAPES}
    files = {name: write_c99(graph_of(kernels, X), CodeOptions(name)) for name, (kernels, X) in fitted_kernels.items()}
    models = load_together(files, tmp_path, flags=(*STRICT, "-O1", "-ffp-contract=off"))
    for name, (kernels, X) in fitted_kernels.items():
        assert f"{name}_count_kernels(" in files[name][f"{name}.c"]
        assert "int16_t halves[" in files[name][f"{name}.h"]
        X[1, 0, 2], X[2, 0, :], X[3, 0, 5] = 1e30, -1e9, np.nan
        expected = kernels.transform(np.nan_to_num(X, nan=float(kernels.offset_[0]), posinf=np.inf))
        assert (models[name].predict(X).outputs["prediction"] == expected).all(), name


def test_weights_in_a_slot_have_a_layout_of_their_own_where_kernels_are_longer() -> None:
    kernels, X = fitted(3, 100, keep=2)
    layouts = []
    for dilation in (1, 2, 1):
        kernels.kernels_[:, 0] = dilation
        layouts.append(slot_code(Subject("stage", graph_of(kernels, X))).layout)
    assert layouts[0] == layouts[2] != layouts[1]


def test_other_weights_are_no_counts_of_kernels_and_c_is_right_all_the_same(tmp_path: Path) -> None:
    need_compiler()
    kernels, X = fitted(3, 40)
    graph = graph_of(kernels, X)
    assert [node.op for node in plan_graph(graph, False).before] == [KERNELS]
    others = {
        name: np.where(array == 2.0, np.float32(3.0), array) if array.shape[1:] == (1, LENGTH) else array
        for name, array in graph.constants.items()
    }
    graph = msgspec.structs.replace(graph, constants=others)
    assert KERNELS not in {node.op for node in plan_graph(graph, False).before}
    model = load_together({"other": write_c99(graph, CodeOptions("other"))}, tmp_path, flags=STRICT)["other"]
    assert (model.predict(X).outputs["prediction"] == compile_graph(graph)(X)["output"]).all()


def test_elimination_keeps_the_columns_that_the_target_is_made_of() -> None:
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 100, (300, 40)).astype(np.float32)
    # A copy and a constant say nothing new.
    counts[:, 7], counts[:, 9] = counts[:, 21], 50.0
    target = counts[:, [3, 21, 30]].astype(np.float64) @ [[1.0, 0.0], [0.5, 1.0], [0.0, -2.0]]
    kept = set(eliminate(counts, target - target.mean(axis=0), 3).tolist())
    assert {3, 30} < kept
    assert kept & {7, 21}


def test_kernels_tell_a_wave_from_noise_and_how_fast_it_is() -> None:
    kernels, X = fitted(3, 40, keep=5)
    features = kernels.transform(X)
    assert features.shape == (60, 5)
    distance = np.abs(features[::2].mean(axis=0) - features[1::2].mean(axis=0)) / features.std(axis=0)
    assert distance.max() > 1.5
    speed = np.linspace(0.2, 1.4, 80)
    waves = np.sin(speed[:, None, None] * np.arange(60)).astype(np.float32)
    regression = Kernels(keep=10, pool=100, task="regression").fit(waves, speed)
    design = np.column_stack([regression.transform(waves), np.ones(80)])
    away = design @ np.linalg.lstsq(design, speed, rcond=None)[0] - speed
    assert np.sqrt((away**2).mean()) < 0.3 * speed.std()


def test_one_seed_gives_one_choice_and_another_another() -> None:
    choices = [fitted(3, 40, seed=seed)[0].kernels_ for seed in (0, 0, 1)]
    assert (choices[0] == choices[1]).all()
    assert choices[0].shape != choices[2].shape or (choices[0] != choices[2]).any()


def test_a_choice_of_more_than_the_pool_or_without_a_target_is_refused() -> None:
    X, y = example(1, 40)
    with pytest.raises(StageSettingsError):
        Kernels(keep=21, pool=20).fit(X, y)
    with pytest.raises(SampleError, match="target"):
        Kernels().fit(X)


def test_centres_of_the_longest_count_fit_into_a_byte() -> None:
    assert [centre_step(samples) for samples in (8, 255, 256, 510, 511, 5000)] == [1, 1, 2, 2, 4, 32]
    for samples in range(8, 3000):
        assert samples <= 255 * centre_step(samples)


def test_kernels_in_a_union_are_chosen_without_the_samples_that_validate() -> None:
    X, y = example(2, 40)
    # What validates is labelled at random: a choice that saw it would be another one.
    other = y.copy()
    other[40:] = np.random.default_rng(1).permutation(y[40:])
    columns = (Column(name="a"), Column(name="b"))
    chosen = []
    for labels in (y, other):
        rows = np.arange(60)
        samples = Samples(
            X=X, y=labels, groups=None, sessions=rows.astype(str), starts=rows, columns=columns, rate=10.0
        )
        tables = [{"kind": "union", "parts": [{"kind": "kernels", "keep": 20, "pool": 60}, {"kind": "statistics"}]}]
        flow = fit_stages(
            samples, rows, parts(tables, "test"), "classification", 0, None, lambda card: None, np.arange(40)
        )
        chosen.append(flow.steps[0][1].parts_[0].kernels_)
    assert (chosen[0] == chosen[1]).all()
