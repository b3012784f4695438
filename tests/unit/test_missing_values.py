"""Missing readings: one rule from sample to answer in every form, docs/adr/0052-missing-values.md."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from c99_stages import need_compiler
from edgewright.core import engines
from edgewright.core.errors import SampleShapeError
from edgewright.core.input.samples import MISSING_METADATA, flagged, needed, read_limit, shares, unanswered
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.prediction.executor import Decider, compile_graph
from edgewright.core.predictor import Predictor
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Graph
from edgewright.core.records.package import WindowSpec
from edgewright.export._extension.model import build_model
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import compile_c99, load_c99
from edgewright.export.c99_stream.stream import write_stream_c99
from edgewright.export.contract import Stream
from edgewright.export.tflite_whole import write_whole
from edgewright.features.statistics import Statistics
from edgewright.graph.builder import Builder, Mask, without_mask
from edgewright.graph.extract import float_network
from edgewright.graph.onnx_writer import to_onnx
from edgewright.models.network import NetworkClassifier, NetworkRegressor
from edgewright.pipeline.config import parse, with_changes
from edgewright.pipeline.fitting import graph_of
from edgewright.pipeline.pipeline import Pipeline
from edgewright.preprocessing.fill import Fill
from edgewright.preprocessing.impute import Impute
from edgewright.preprocessing.scale import Scale
from edgewright.workflows.proof.forms.litert import invoke
from integer_layers import need_litert
from runtime_example import parts

Floats = NDArray[np.float32]
CHANNELS, SAMPLES = 3, 32
OUT_OF_RANGE, MISSING, UNSURE = 1, 4, 8
ENGINES = ("numpy", "onnxruntime", "litert", "extension")


def windows(count: int = 240) -> tuple[Floats, NDArray[np.str_]]:
    """Waves of three kinds: still, slow and strong; the first channel has gravity."""
    random = np.random.default_rng(0)
    kinds = np.array(["still", "slow", "strong"])[np.arange(count) % 3]
    size = np.select([kinds == "still", kinds == "slow"], [0.02, 0.4], 1.5)[:, None, None]
    X = random.normal(size=(count, CHANNELS, SAMPLES)) * size
    X[:, 0] += 9.81
    return X.astype(np.float32), kinds


@cache
def steps(task: str = "classification") -> tuple[tuple[str, Any], ...]:
    """Return a fitted pipeline of windows."""
    X, kinds = windows()
    fill = Fill().fit(X)
    features = Statistics(features=("mean", "std"), log=False).fit(X)
    scale = Scale("standard").fit(features.transform(X))
    network = NetworkClassifier if task == "classification" else NetworkRegressor
    model = network(({"kind": "dense", "units": 8},), epochs=12, batch=16, learning_rate=0.02)
    y = kinds if task == "classification" else X.std(axis=(1, 2))
    model.fit(scale.transform(features.transform(X)), y)
    return (("fill", fill), ("statistics", features), ("scale", scale), ("model", model))


@cache
def graph(task: str = "classification") -> Graph:
    return graph_of(list(steps(task)), (CHANNELS, SAMPLES), "waves")


def answer(engine: str, samples: Floats, task: str = "classification") -> dict[str, NDArray[Any]]:
    """Return what a form says."""
    if engine == "onnxruntime":
        pytest.importorskip("onnxruntime")
    if engine == "litert":
        need_litert()
        model = write_whole(graph(task), float_network(graph(task))).model()
    else:
        model = to_onnx(graph(task))
    if engine == "extension":
        need_compiler()
        build_model(model)
    return engines.get(engine).load(model)(samples)


def damaged() -> tuple[Floats, list[bool]]:
    """Return windows with holes, and whether each is answered."""
    X = windows()[0][:9].copy()
    X[0, 1, 7] = np.nan
    X[1, :, 31] = np.nan
    X[2, 2, 0] = np.inf
    X[3, 0, 5:13] = -np.inf  # as many as the limit allows
    X[4, 0, 5:14] = np.nan  # one more
    X[5, 1] = np.nan  # one channel alone
    X[6] = np.nan
    X[7] = np.inf
    return X, [True] * 4 + [False] * 4 + [True]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_form_answers_a_damaged_window_as_python_does(engine: str) -> None:
    samples, answered = damaged()
    record = answer(engine, samples)
    chance = np.asarray(Pipeline(list(steps())).predict_proba(samples))
    assert np.isfinite(record["probabilities"]).all() and np.allclose(record["probabilities"], chance, atol=1e-5)
    assert (record["confidence"] > 0).tolist() == answered == (record["label"] >= 0).tolist()
    assert np.array_equal(record["label"][answered], chance[answered].argmax(axis=1))
    assert not record["probabilities"][~np.array(answered)].any()


def test_c_flags_what_is_no_answer_and_what_is_not_sure(tmp_path: Path) -> None:
    need_compiler()
    samples, answered = damaged()
    wanted = answer("numpy", samples)
    between = float(np.sort(wanted["confidence"][answered])[1:3].mean())
    canswer = load_c99(write_c99(graph(), CodeOptions("waves", confidence=between)), tmp_path).predict(samples)
    assert np.array_equal(canswer.outputs["label"], wanted["label"])
    assert np.allclose(canswer.outputs["confidence"], wanted["confidence"], atol=1e-5)
    unsure = ~(wanted["confidence"] >= between)
    assert unsure[answered].sum() == 2
    assert ((canswer.flags & MISSING) > 0).tolist() == [not one for one in answered]
    assert np.array_equal((canswer.flags & UNSURE) > 0, unsure)


def test_c_flags_a_sample_without_any_value_to_a_model_that_does_not_ask(tmp_path: Path) -> None:
    need_compiler()
    samples, _ = damaged()
    bare, _ = without_mask(graph())
    answer = load_c99(write_c99(bare, CodeOptions("bare")), tmp_path).predict(samples)
    assert ((answer.flags & MISSING) > 0).tolist() == [n in (6, 7) for n in range(9)]


def test_an_infinity_is_not_out_of_range(tmp_path: Path) -> None:
    need_compiler()
    samples = windows()[0][:3].copy()
    samples[0, 0, 0], samples[1, 0, 0] = np.inf, 99.0
    files = write_c99(graph(), CodeOptions("ranged", ranges=[(-50.0, 50.0)] * CHANNELS))
    assert (load_c99(files, tmp_path).predict(samples).flags & OUT_OF_RANGE).tolist() == [0, 1, 0]
    ranges = tuple((name, -50.0, 50.0) for name in "abc")
    assert flagged(samples, ranges).tolist() == [0, 1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_number_where_too_much_is_missing_is_no_number(engine: str) -> None:
    samples, answered = damaged()
    values = answer(engine, samples, "regression")["prediction"].reshape(-1)
    assert np.isfinite(values).tolist() == answered


@pytest.mark.parametrize("engine", ENGINES)
def test_an_infinity_is_a_missing_value(engine: str) -> None:
    missing = windows()[0][:3].copy()
    missing[:, 1, 3:6] = np.nan
    infinite = np.where(np.isnan(missing), np.float32(np.inf), missing)
    one, other = answer(engine, missing), answer(engine, infinite)
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("rows", "largest"), [(0, 0.02), (1, 0.05)])
def test_few_missing_readings_change_few_labels(rows: int, largest: float) -> None:
    X = windows()[0]
    random = np.random.default_rng(5)
    holed, each = X.copy(), np.arange(len(X))
    if rows:
        holed[each, :, random.integers(0, SAMPLES, len(X))] = np.nan
    else:
        holed[each, random.integers(0, CHANNELS, len(X)), random.integers(0, SAMPLES, len(X))] = np.nan
    run = compile_graph(graph())
    assert (run(X)["label"] != run(holed)["label"]).mean() <= largest


def test_whole_windows_go_through_unchanged() -> None:
    X = windows()[0]
    assert np.array_equal(Fill().fit(X).transform(X), X)


def test_a_hole_becomes_the_mean_of_what_is_there() -> None:
    X = np.array([[[1.0, np.nan, 3.0, np.inf], [np.nan] * 4]], np.float32)
    assert np.array_equal(Fill().fit_transform(X), [[[1.0, 2.0, 3.0, 2.0], [0.0] * 4]])


def test_the_mean_of_a_large_level_keeps_its_digits() -> None:
    need_litert()  # whose reference kernels add one number after the other
    X = (101325 + np.random.default_rng(1).normal(size=(20, 2, 128))).astype(np.float32)
    X[:, :, 40:60] = np.nan
    fill = Fill().fit(X)
    builder = Builder("fill", (2, 128))
    filling = builder.finish({"prediction": (fill.to_graph(builder, builder.input), "float32", (2, 128))})
    outputs = invoke(write_whole(filling, None).model(), X, {"y": None}, reference=True)["y"]
    differences = np.abs(outputs - fill.transform(X))
    assert differences.max() <= np.spacing(np.float32(101325))


@pytest.mark.slow
def test_a_row_without_a_stage_that_fills_has_no_answer_where_a_value_is_missing() -> None:
    X = windows()[0][:, :, 0]
    scale = Scale("standard").fit(X)
    model = NetworkClassifier(({"kind": "dense", "units": 4},), epochs=1).fit(scale.transform(X), windows()[1])
    pipeline_graph = graph_of([("scale", scale), ("model", model)], (CHANNELS,), "rows")
    rows = X[:4].copy()
    rows[1, 0], rows[2, 2] = np.nan, np.inf
    record = compile_graph(pipeline_graph)(rows)
    assert (record["label"] >= 0).tolist() == [True, False, False, True] == (record["confidence"] > 0).tolist()


@pytest.mark.slow
def test_a_row_is_answered_up_to_the_share_that_its_imputer_states() -> None:
    X = np.concatenate([windows()[0][:, :, 0], windows()[0][:, :, 1]], axis=1)
    for limit, maximum in ((0.5, 3), (0.1, 0), (1.0, 5)):
        impute = Impute(limit=limit).fit(X)
        model = NetworkClassifier(({"kind": "dense", "units": 4},), epochs=1).fit(X, windows()[1])
        run = compile_graph(graph_of([("impute", impute), ("model", model)], (6,), "rows"))
        rows = np.repeat(X[:1], 7, axis=0)
        for missing in range(7):
            rows[missing, :missing] = (np.nan, np.inf)[missing % 2]
        assert (run(rows)["label"] >= 0).tolist() == [n <= maximum for n in range(7)]
        assert unanswered(rows, limit).tolist() == [n > maximum for n in range(7)]


def test_what_stands_before_the_imputer_cannot_make_a_number_of_an_infinity() -> None:
    X = windows()[0][:, :, 0]
    scale = Scale("minmax", clip=(0.0, 1.0)).fit(X)
    impute = Impute().fit(scale.transform(X))
    model = NetworkClassifier(({"kind": "dense", "units": 4},), epochs=1).fit(X, windows()[1])
    run = compile_graph(graph_of([("scale", scale), ("impute", impute), ("model", model)], (CHANNELS,), "rows"))
    rows = X[:2].copy()
    rows[0, 1], rows[1, 1] = np.inf, np.nan
    rows[1, [0, 2]] = rows[0, [0, 2]]
    assert np.array_equal(*run(rows)["probabilities"])


def test_how_many_must_be_there() -> None:
    assert [needed(limit, 10) for limit in (0.0, 0.05, 0.1, 0.3, 1.0)] == [10, 10, 9, 7, 1]
    samples = np.zeros((3, 2, 4), np.float32)
    samples[1, 1, :2], samples[2] = np.nan, np.inf
    assert shares(samples).tolist() == [0.0, 0.5, 1.0] and shares(samples[:1]).tolist() == [0.0]


def test_the_limit_travels_with_the_graph() -> None:
    with_limit = graph()
    assert (
        with_limit.metadata[MISSING_METADATA] == "0.25"
        and read_limit(with_limit.metadata) == 0.25
        and read_limit({}) is None
    )
    for text in ("much", "nan", "1.5"):
        with pytest.raises(SampleShapeError):
            read_limit({MISSING_METADATA: text})


def test_the_question_is_found_again_and_taken_away() -> None:
    bare, mask = without_mask(graph())
    assert mask == Mask(CHANNELS, SAMPLES, 24)
    X = windows()[0][:20]
    one, other = compile_graph(graph())(X), compile_graph(bare)(X)
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert without_mask(bare) == (bare, None)


WINDOWED = """
name = "waves"
refit = false
[data]
kind = "{kind}"
path = "rows"
[window]
samples = 32
{more}
"""


@pytest.mark.parametrize(
    ("kind", "more", "first"),
    [
        ("csv", "", {"kind": "fill"}),
        ("csv", "[[stages]]\nkind = 'scale'\ntitle = 'Scale'", {"kind": "fill", "title": "Scale"}),
        ("csv", "[[stages]]\nkind = 'fill'\nlimit = 0.1", {"kind": "fill", "limit": 0.1}),
        ("csv", "[[stages]]\nkind = 'impute'", {"kind": "impute"}),
        ("csv", "[[stages]]\nkind = 'log_mel'", {"kind": "log_mel"}),
        ("wav", "[[stages]]\nkind = 'scale'", {"kind": "scale"}),
    ],
)
def test_windows_of_sensors_begin_with_a_stage_that_fills(kind: str, more: str, first: dict[str, object]) -> None:
    config = parse(WINDOWED.format(kind=kind, more=more), "waves.toml")
    assert config.stages[0] == first and with_changes(config, ()) == config


def predictor_of(probabilities: list[float]) -> Predictor:
    """Return a package from before the rule, whose model always gives these."""
    old_package = parse_package(package_bytes(*parts()), "old.edge")
    assert old_package.manifest.missing is None
    predictor = Predictor(old_package, engine="numpy", self_test=False)
    value = np.array([probabilities], np.float32)
    predictor._run = lambda x: {
        "probabilities": np.repeat(value, len(x), axis=0),
        "label": np.repeat(value.argmax(axis=1), len(x)),
        "confidence": np.repeat(value.max(axis=1), len(x)),
    }
    return predictor


def test_a_confidence_that_is_no_number_is_never_sure() -> None:
    answers = predictor_of([float("nan")] * 3).predict(np.zeros((2, 10), np.float32))
    assert answers.unsure.all() and answers.missing.all() and answers.labels.tolist() == ["", ""]
    assert not answers.probabilities.any() and not answers.confidence.any()


def test_an_older_package_has_no_answer_to_a_row_without_any_value() -> None:
    rows = np.zeros((3, 10), np.float32)
    rows[1] = np.nan
    rows[2, 1:] = np.inf
    answers = predictor_of([0.9, 0.05, 0.05]).predict(rows)
    assert answers.missing.tolist() == answers.unsure.tolist() == [False, True, False]
    assert answers.labels.tolist() == ["walking", "", "walking"]


def test_no_answer_is_a_hole_for_decisions() -> None:
    decider = Decider(DecisionSpec(smoothing=2, debounce=2), ("a", "b"))
    sure, none = np.array([0.1, 0.9], np.float32), np.zeros(2, np.float32)
    assert [decider.push(p, float(i)) is not None for i, p in enumerate((sure, none, sure, sure))] == [
        False, False, False, True,
    ]  # fmt: skip


_PUSHED = """
#include "waves_stream.h"
int waves_run(const float *rows, int count, unsigned *flags, int *events) {
    static waves_stream_context stream;
    waves_init(&stream);
    for (int i = 0; i < count; ++i) {
        waves_event event;
        events[i] = waves_push(&stream, rows + 3 * i, &event) ? event.label : -1;
        flags[i] = waves_flags(&stream);
    }
    return 0;
}
"""


def test_a_stream_in_c_decides_nothing_without_an_answer_and_says_why(tmp_path: Path) -> None:
    need_compiler()
    X, kinds = windows()
    order = [0, 0, 2, 2]  # still, still, then strong twice, the first of them with too many holes
    assert kinds[0] == "still" and kinds[2] == "strong"
    given = X[order].copy()
    given[2, 1, :9] = np.inf
    rows = np.ascontiguousarray(given.transpose(0, 2, 1).reshape(-1, CHANNELS))
    spec = DecisionSpec(debounce=1)
    window = WindowSpec(samples=SAMPLES, step=SAMPLES, rate=50.0)
    labels = graph().labels
    files = {
        **write_c99(graph(), CodeOptions("waves")),
        **write_stream_c99(Stream(window, labels, spec), (CHANNELS, SAMPLES), len(labels), name="waves"),
        "run.c": _PUSHED,
    }
    library = ctypes.CDLL(str(compile_c99(files, tmp_path, taps=False)))
    flags, events = np.zeros(len(rows), np.uint32), np.zeros(len(rows), np.int32)
    library.waves_run(*(ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else a
                        for a in (rows, len(rows), flags, events)))  # fmt: skip
    ends = slice(SAMPLES - 1, None, SAMPLES)
    assert (flags[ends] & MISSING > 0).tolist() == [False, False, True, False]
    decider = Decider(spec, labels)
    wanted = [decider.push(p, float(i)) for i, p in enumerate(compile_graph(graph())(given)["probabilities"])]
    assert events[ends].tolist() == [-1 if one is None else one.label for one in wanted]
    assert [one is not None for one in wanted] == [True, False, False, True]
