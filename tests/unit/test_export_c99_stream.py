"""Streams in generated C decide what Python decides, at the same rows, with the same bits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from c99_examples import WARNINGS, call, need, sizes_of
from c99_stages import need_compiler
from edgewright.core.errors import DecisionError, InputError
from edgewright.core.input.recordings import Windower
from edgewright.core.package import read_package, write_package
from edgewright.core.prediction.executor import Decider, compile_graph
from edgewright.core.records.data import Column
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.network import Array, Graph
from edgewright.core.records.package import Manifest, WindowSpec
from edgewright.export.c99_code.header import CodeOptions
from edgewright.export.c99_code.pipeline import write_c99
from edgewright.export.c99_host.host import STRICT, compiler_command, load_c99
from edgewright.export.c99_stream.stream import write_stream_c99
from edgewright.export.contract import Stream, read_subject
from edgewright.export.targets.c99 import TARGET
from edgewright.graph.builder import Builder
from runtime_example import parts, regressor
from stream_example import CStream, Floats, in_python

Run = Callable[[Floats], dict[str, Array]]
LABELS = ("rest", "walk", "fall")
RATE = 50.0
SPECS = {
    "plain": DecisionSpec(),
    "mean": DecisionSpec(smoothing=5, threshold=0.4),
    "slow": DecisionSpec(smoothing=3, debounce=4, threshold=0.34),
    "cheap": DecisionSpec(smoothing=2, thresholds={"fall": 0.15}, alarms=("fall",), refractory=0.3),
    "dear": DecisionSpec(thresholds={"fall": 0.8, "rest": 0.3}, debounce=2, alarms=("rest", "fall")),
    "two": DecisionSpec(smoothing=4, thresholds={"walk": 0.4, "fall": 0.3}, alarms=("walk", "fall"), refractory=0.51),
    "one": DecisionSpec(alarms=("walk",), refractory=0.02),
    "again": DecisionSpec(alarms=("fall",), refractory=0.16),
    "equal": DecisionSpec(threshold=0.5, thresholds={"walk": 0.25, "fall": 0.25}),
    "half": DecisionSpec(threshold=0.5),
    "full": DecisionSpec(smoothing=3, full_mean=True, thresholds={"fall": 0.4}, alarms=("fall",)),
}
WINDOWS = {
    "rows": None,
    "overlap": WindowSpec(samples=8, step=3, rate=RATE),
    "beside": WindowSpec(samples=6, step=6, rate=RATE),
    "apart": WindowSpec(samples=5, step=9, rate=RATE),
    "sliding": WindowSpec(samples=2, step=1, rate=RATE),
    "single": WindowSpec(samples=1, step=4, rate=RATE),
    "filled": WindowSpec(samples=8, step=3, rate=RATE, fill_start=True),
    "filled_apart": WindowSpec(samples=5, step=9, rate=RATE, fill_start=True),
}


def model(window: WindowSpec | None, labels: tuple[str, ...] = LABELS) -> Graph:
    """Three numbers as they are, or their means over a window: what goes in are the probabilities."""
    shape = (3,) if window is None else (3, window.samples)
    builder = Builder("through", shape, labels=labels)
    value = builder.op("Mul", builder.input, builder.number(1.0))
    if window is not None:
        value = builder.op("Flatten", builder.op("GlobalAveragePool", value), axis=1)
    label = builder.op("ArgMax", value, axis=1, keepdims=0)
    confidence = builder.op("ReduceMax", value, builder.integers(1), keepdims=0)
    return builder.finish(
        {
            "label": (label, "int64", ()),
            "probabilities": (value, "float32", (3,)),
            "confidence": (confidence, "float32", ()),
        }
    )


def stream(n: int = 900) -> tuple[Floats, dict[int, int]]:
    """Return rows of probabilities that dwell on a label, with ties, holes, numbers that are none, and losses."""
    rng = np.random.default_rng(31)
    kinds = np.repeat(rng.integers(0, 3, n // 12), 12)
    rows = rng.dirichlet((0.7, 0.7, 0.7), n) * 0.6 + 0.4 * np.eye(3)[kinds]
    rows[rng.uniform(size=n) < 0.1] = 1 / 3
    # Ties, numbers that just reach a threshold, and a label that comes again after exactly its time without alarms.
    probabilities: Floats = rows.astype(np.float32)
    probabilities[700:780] = np.repeat(
        np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]], np.float32)[[0, 1, 0, 1, 1]], 16, axis=0
    )
    probabilities[780:] = np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]], np.float32)[(np.arange(780, n) // 4) % 2]
    probabilities[840:] = probabilities[np.where(np.arange(840, n) % 7 < 3, 780, 784)]
    probabilities[rng.integers(0, n, 6), rng.integers(0, 3, 6)] = [np.nan, np.inf, -np.inf, np.nan, 3e38, np.nan]
    return probabilities, {100: 0, 101: 1, 350: 7, 620: 100_000}


def cases(window: str) -> dict[str, DecisionSpec]:
    """Return a stream without a rate has no seconds."""
    return {k: s for k, s in SPECS.items() if WINDOWS[window] or not s.refractory}


def written(window: str, spec: str) -> dict[str, str]:
    """Return a model and the stream around it."""
    name, cut = f"{window}_{spec}", WINDOWS[window]
    there = Stream(cut, LABELS, SPECS[spec])
    shape = model(cut).inputs[0].shape
    return {**write_c99(model(cut), CodeOptions(name)), **write_stream_c99(there, shape, 3, name=name, columns="abc")}


def every_case() -> dict[str, tuple[str, ...]]:
    """Return all decisions of every kind of window."""
    return {window: tuple(cases(window)) for window in WINDOWS}


def few_cases() -> dict[str, tuple[str, ...]]:
    """Return all decisions of one kind of window, and one with alarms of each other kind."""
    return dict.fromkeys(WINDOWS, ("two",)) | {"overlap": tuple(SPECS), "rows": ("mean", "dear")}


def put(folder: Path, decisions: Mapping[str, Sequence[str]]) -> str:
    """Write the decisions of each kind of window, and one source that includes them."""
    names = []
    for window, specs in decisions.items():
        for spec in specs:
            for file, text in written(window, spec).items():
                (folder / file).write_text(text, encoding="utf-8")
                names += [file] if file.endswith(".c") else []
    (folder / "all.c").write_text("".join(f'#include "{name}"\n' for name in names))
    return "all.c"


@pytest.mark.parametrize(
    ("compiler", "checks", "decisions"),
    [
        ("gcc", (), few_cases()),
        pytest.param(
            "gcc", ("-fsanitize=undefined", "-fno-sanitize-recover=all"), every_case(), marks=pytest.mark.slow
        ),
        pytest.param("clang", (), every_case(), marks=pytest.mark.slow),
    ],
)
def test_every_decision_and_mean_has_the_bits_of_python(
    compiler: str, checks: tuple[str, ...], decisions: Mapping[str, Sequence[str]], tmp_path: Path
) -> None:
    need(compiler)
    flags = (*WARNINGS, "-O1", "-ffp-contract=off", "-shared", "-fPIC", *checks)
    call(tmp_path, compiler, *flags, put(tmp_path, decisions), "-o", "all.so", "-lm")
    rows, gaps = stream()
    for window, specs in decisions.items():
        cut = WINDOWS[window]
        run, alarms = compile_graph(model(cut)), 0

        def answer(x: Floats, run: Run = run) -> Floats:
            return np.asarray(run(x)["probabilities"], np.float32)

        for spec in specs:
            there = CStream(tmp_path / "all.so", f"{window}_{spec}", 3)
            stream_lines, means = there.run(rows, gaps)
            decider = Decider(SPECS[spec], LABELS)
            with np.errstate(all="ignore"):
                wanted, expected = in_python(rows, gaps, cut, decider, answer, RATE)
            assert len(wanted) > 3, "the stream is decided often"
            assert stream_lines == wanted, (window, spec)
            if cut is None:
                np.testing.assert_array_equal(np.stack(means).view(np.uint32), np.stack(expected).view(np.uint32))
            alarms += sum(alarm for _, _, alarm, _ in stream_lines)
            assert there.run(rows, gaps)[0] == stream_lines, "after a reset it begins anew"
        assert alarms > 3


@pytest.mark.slow
def test_memory_is_what_the_header_says_and_nothing_else_is_needed(tmp_path: Path) -> None:
    need("gcc", "nm")
    put(tmp_path, every_case())
    names = sorted(path.name.removesuffix("_stream.h") for path in tmp_path.glob("*_stream.h"))
    (tmp_path / "streams.c").write_text("".join(f'#include "{name}_stream.c"\n' for name in names))
    call(tmp_path, "gcc", "-std=c99", "-O0", "-c", "streams.c")
    lines = [line.split() for line in call(tmp_path, "nm", "-S", "streams.o").splitlines()]
    assert not [words for words in lines if len(words) == 4 and words[2] in "bBdD"], "nothing is static"
    needed = {words[-1] for words in lines if words[-2] == "U"}
    assert needed <= {"memset", "memmove", *(f"{name}_predict" for name in names)}
    (tmp_path / "streams.h").write_text("".join(f'#include "{name}_stream.h"\n' for name in names))
    kinds = [f"{name}_{kind}" for name in names for kind in ("stream_context", "context")]
    sizes = dict(zip(kinds, sizes_of(tmp_path, "streams.h", *kinds), strict=True))
    for name in names:
        # A model without values has an empty structure, which C gives a byte, and the alignment three more.
        used = sizes[f"{name}_stream_context"] - (sizes[f"{name}_context"] if sizes[f"{name}_context"] > 1 else 4)
        promised = re.search(r"Memory: (\d+) bytes of RAM besides", (tmp_path / f"{name}_stream.h").read_text())
        assert promised is not None and used == int(promised[1]), name


def test_the_header_says_how_it_is_decided() -> None:
    text = written("overlap", "cheap")["overlap_cheap_stream.h"]
    assert "A row is 3 numbers (a, b, c); what is not finite is missing." in text
    assert "Windows of 8 rows, one every 3, 50 rows a second." in text
    assert "A window chooses by the mean of the last 2 answers; the choice decides." in text
    assert "Thresholds: fall 0.15, 0 for the others." in text
    assert "Alarms: fall; 15 rows or more between two of one label." in text
    odd = Stream(None, ("@a */", "b??/"), DecisionSpec(thresholds={"@a */": 0.5}))
    text = write_stream_c99(odd, (3,), 2, name="odd", columns=["*/ x@y", "\\", "z"])["odd_stream.h"]
    assert "odd" in text and "@" not in text
    assert text.count("*/") == text.count("/*")


def test_one_sigmoid_is_two_labels(tmp_path: Path) -> None:
    need_compiler()
    builder = Builder("two", (2,), labels=("no", "yes"))
    value = builder.op("Sigmoid", builder.op("ReduceSum", builder.input, builder.integers(1), keepdims=1))
    label = builder.op("Cast", builder.op("Greater", value, builder.number(0.5)), to=7)
    graph = builder.finish({"label": (label, "int64", ()), "probabilities": (value, "float32", (1,))})
    spec = DecisionSpec(smoothing=3, alarms=("yes",))
    files = {
        **write_c99(graph, CodeOptions("two")),
        **write_stream_c99(Stream(None, ("no", "yes"), spec), (2,), 1, name="two"),
    }
    rows = np.random.default_rng(3).normal(size=(300, 2)).astype(np.float32)
    model_of = load_c99(files, tmp_path, flags=(*STRICT, "-O1"))
    p = model_of.predict(rows).outputs["probabilities"]

    def answer(x: Floats) -> Floats:
        at = int(np.flatnonzero((rows == x).all(axis=1))[0])
        return np.stack([1 - p[at], p[at]], axis=1)

    decisions, _ = CStream(tmp_path / "two.so", "two", 2).run(rows, {})
    assert decisions == in_python(rows, {}, None, Decider(spec, ("no", "yes")), answer, RATE)[0]
    assert {label for _, label, _, _ in decisions} == {0, 1}


def test_a_number_is_an_event_at_every_window(tmp_path: Path) -> None:
    need_compiler()
    graph, window = regressor(), WindowSpec(samples=8, step=4, rate=None)
    files = {
        **write_c99(graph, CodeOptions("m")),
        **write_stream_c99(Stream(window, (), DecisionSpec()), (2, 8), 1, name="m"),
    }
    (tmp_path / "main.c").write_text(_NUMBERS)
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    flags = (*STRICT, "-O1", "-ffp-contract=off")
    call(tmp_path, *compiler_command(), *flags, "main.c", "m.c", "m_stream.c", "-o", "run", "-lm")
    lines = [line.split() for line in call(tmp_path, str(tmp_path / "run")).splitlines()]
    rows = ((np.arange(40)[:, None] * 7 + np.arange(2) * 3) % 11).astype(np.float32)
    windows = Windower(8, 4, 2).push(rows)
    assert [int(row) for row, _ in lines] == [7 + 4 * n for n in range(9)]
    np.testing.assert_allclose(
        [float(value) for _, value in lines], compile_graph(graph)(np.stack(windows))["prediction"].ravel(), atol=1e-5
    )


_NUMBERS = """\
#include <stdio.h>
#include "m_stream.h"
int main(void) {
    static m_stream_context context;
    m_event event;
    m_init(&context);
    for (int i = 0; i < 40; ++i) {
        const float row[M_CHANNELS] = {(float)(i * 7 % 11), (float)((i * 7 + 3) % 11)};
        if (m_push(&context, row, &event) && event.kind == M_VALUE) {
            printf("%u %.9g\\n", (unsigned)event.row, (double)event.value);
        }
    }
    return 0;
}
"""


@pytest.mark.parametrize(
    ("stream_of", "shape", "outputs", "message"),
    [
        (Stream(None, LABELS, DecisionSpec(alarms=("jump",))), (3,), 3, "labels of the model"),
        (Stream(None, LABELS, DecisionSpec(alarms=("fall",), refractory=2.0)), (3,), 3, "a rate of the rows"),
        (Stream(WindowSpec(samples=9, step=3, rate=1.0), LABELS, DecisionSpec()), (3, 8), 3, r"shape \(3, 9\)"),
        (
            Stream(WindowSpec(samples=8, step=0, rate=1.0), LABELS, DecisionSpec()),
            (3, 8),
            3,
            "windows and steps of 1 to",
        ),
        (
            Stream(WindowSpec(samples=8, step=1 << 40, rate=1.0), LABELS, DecisionSpec()),
            (3, 8),
            3,
            "windows and steps of 1 to",
        ),
        (
            Stream(
                WindowSpec(samples=8, step=3, rate=float("nan")), LABELS, DecisionSpec(alarms=("fall",), refractory=1.0)
            ),
            (3, 8),
            3,
            "a rate of the rows",
        ),
        (Stream(None, LABELS, DecisionSpec()), (3,), 2, "each of 3 labels, got 2"),
        (Stream(None, LABELS, DecisionSpec()), (3,), 0, "each of 3 labels, got 0"),
        (Stream(None, (), DecisionSpec()), (3,), 2, "one number"),
        (
            Stream(WindowSpec(samples=8, step=3, rate=1e6), LABELS, DecisionSpec(alarms=("fall",), refractory=1e6)),
            (3, 8),
            3,
            "at most 2147483647 rows",
        ),
    ],
)
def test_streams_that_cannot_be_are_refused(
    stream_of: Stream, shape: tuple[int, ...], outputs: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        write_stream_c99(stream_of, shape, outputs, name="m")


def test_a_package_is_exported_with_its_stream(tmp_path: Path) -> None:
    spec = DecisionSpec(smoothing=3, alarms=("running",))
    write_package(tmp_path / "a.edge", *parts(decision=spec))
    assert read_package(tmp_path / "a.edge").manifest.decision == spec
    subject = read_subject(tmp_path / "a.edge")
    assert subject.stream == Stream(None, ("walking", "sitting", "running"), spec)
    files = TARGET.files(subject)
    parts_of = ("", "_self_test", "_stream")
    assert sorted(files) == sorted(f"activity{part}.{end}" for part in parts_of for end in "ch")
    assert b"Alarms: running." in files["activity_stream.h"]
    # Whole recordings without windows have no rows that could be pushed.
    there = parts(regressor(), task="regression", columns=(Column(name="x"), Column(name="y")), shape=(2, 8), labels=())
    write_package(tmp_path / "c.edge", *there)
    assert read_subject(tmp_path / "c.edge").stream is None
    # A package without the key decides by each window; one that names what is no label is refused.
    text = msgspec.json.decode(msgspec.json.encode(read_package(tmp_path / "a.edge").manifest))
    del text["decision"]
    assert msgspec.json.decode(msgspec.json.encode(text), type=Manifest).decision == DecisionSpec()
    with pytest.raises(DecisionError, match=r"decision\.alarms"):
        write_package(tmp_path / "b.edge", *parts(decision=DecisionSpec(alarms=("jump",))))
