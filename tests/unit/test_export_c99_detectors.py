"""Detectors in generated C score as those of Python do, in float32, and tell anomalies at the same rows."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from c99_examples import WARNINGS, call, need, sizes_of
from c99_stages import need_compiler
from edgewright.core.catalogue import listing
from edgewright.core.errors import ExportError, UnknownNameError
from edgewright.core.records.package import WindowSpec
from edgewright.export.c99_detectors import detector_writer
from edgewright.export.c99_detectors._source import write_detector_c99
from edgewright.export.c99_host.host import compiler_command
from edgewright.graph.builder import Builder
from edgewright.graph.onnx_writer import to_onnx
from edgewright.monitor.detectors import kind as detector
from edgewright.workflows.detection.fit import DETECTORS, learn
from edgewright.workflows.detection.rows import Stretch

Floats = NDArray[np.float32]
KINDS = tuple(sorted(detector_writer.known))
# Settings that reach the corners of a detector; one that is not here is tried with none.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "robust": [{}, {"mean": 7}, {"season": 86400.0, "mean": 3}, {"season": 3600.0, "bins": 7}],
    "pca": [{}, {"variance": 0.6}, {"mean": 5}],
    "spectral_residual": [{}, {"samples": 33, "smooth": 2}, {"samples": 35, "smooth": 5}],
    "autoencoder": [{"epochs": 12}, {"epochs": 8, "mean": 4}],
    "k_means": [{"centres": 1}, {"centres": 6}],
    "own_past": [{}, {"bins": 1440, "warm_up": 5}, {"bins": 0}, {"bins": 0, "warm_up": 5, "fast": 0.3, "slow": 0.02}],
    "var": [{}, {"order": 1, "mean": 1}],
}
CASES = [(kind, number) for kind in KINDS for number in range(len(SETTINGS.get(kind, [{}])))]
CHANNELS = 4
# Rows come every ten minutes and a little, so that parts of a day are left in the middle of one.
TIMES: NDArray[np.float64] = 1.7e9 + 617.5 * np.arange(1300, dtype=np.float64)


class _Anomaly(ctypes.Structure):
    _fields_ = (("score", ctypes.c_float), ("channel", ctypes.c_int), ("row", ctypes.c_uint32))


def rows(n: int, seed: int) -> Floats:
    """Return channels that go together, on levels of their own, with holes and a few odd stretches."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5, 0.2, 0.0], [0.0, 0.4, -0.7, 1.0]])
    values = base * [1.0, 20.0, 0.05, 3.0] + [0.0, 300.0, -1.0, 5.0] + 0.02 * rng.normal(size=(n, CHANNELS))
    for start in range(100, n, 90):
        values[start : start + 4, rng.integers(CHANNELS)] += 40.0
    values[rng.uniform(size=values.shape) < 0.03] = np.nan
    values[::50] = np.nan
    return np.asarray(values, np.float32)


@cache
def fitted(kind: str, number: int) -> tuple[dict[str, Any], Floats, NDArray[np.float64]]:
    """Return what a detector learnt, rows it has not seen, and their scores in Python."""
    detector_file = detector(kind)
    config = msgspec.convert(SETTINGS.get(kind, [{}])[number], detector_file.config)
    learnt = learn(kind, config, (Stretch("", rows(600, 1), TIMES[:600]),))
    if number and detector_file.remember is not None:
        learnt = detector_file.remember(learnt, rows(600, 1), TIMES[:600])
    seen = rows(700, 2)
    return learnt, seen, detector_file.start(learnt).update(seen, TIMES[600:])


class _Timed:
    """A compiled detector; `call` says the time of each row before it, where the detector asks for it."""

    def __init__(self, library: Path, name: str) -> None:
        self._loaded = ctypes.CDLL(str(library))
        self._name = name
        self._time = getattr(self._loaded, f"{name}_detect_time", None)
        # More than any of them takes.
        self._context = ctypes.create_string_buffer(1 << 20)
        getattr(self._loaded, f"{name}_detect_init")(self._context)

    def call(self, word: str, row: Floats, time: float, *others: Any) -> Any:  # noqa: ANN401 - what C gives
        function = getattr(self._loaded, f"{self._name}_{word}")
        function.restype = ctypes.c_float if word.endswith("score") else ctypes.c_int
        if self._time is not None:
            self._time(self._context, ctypes.c_int64(round(time * 1e6)))
        return function(self._context, row.ctypes.data_as(ctypes.c_void_p), *others)


def written(kind: str, number: int, refractory: int) -> tuple[str, dict[str, str], float]:
    learnt, _, scores = fitted(kind, number)
    # Between two scores that are apart: neither changes its side with the last digit.
    known = np.unique(scores[np.isfinite(scores)])
    index = int(np.searchsorted(known, np.nanquantile(scores, 0.9)))
    index += int(np.diff(known[index : index + 9]).argmax())
    name, threshold = f"{kind}{number}_{refractory}", float(known[index : index + 2].mean())
    files = write_detector_c99(
        kind, learnt, name=name, columns=tuple("abcd"), threshold=threshold, refractory=refractory
    )
    return name, files, threshold


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them in one shared object, beside their sources."""
    need_compiler()
    folder = tmp_path_factory.mktemp("detectors")
    lines = []
    for kind, number in CASES:
        for refractory in (0, 9):
            for file, text in written(kind, number, refractory)[1].items():
                (folder / file).write_text(text)
                lines += [f'#include "{file}"\n'] if file.endswith(".c") else []
    (folder / "all.c").write_text("".join(lines))
    checks = ("-fsanitize=undefined", "-fno-sanitize-recover=all", "-ffp-contract=off")
    command = (*compiler_command(), *WARNINGS, "-O1", *checks, "-shared", "-fPIC")
    call(folder, *command, "all.c", "-o", "all.so", "-lm")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "number"), CASES)
def test_scores_are_those_of_python_to_the_digits_of_float32(kind: str, number: int, library: Path) -> None:
    _, seen, scores = fitted(kind, number)
    there = _Timed(library / "all.so", f"{kind}{number}_0")
    scores_in_c = np.array([there.call("detect_score", row, time) for row, time in zip(seen, TIMES[600:], strict=True)])
    np.testing.assert_allclose(scores_in_c, scores, rtol=2e-4, atol=2e-4 * float(np.nanmedian(scores)))
    assert (scores[::50] == 0).all() and (scores_in_c[::50] == 0).all()


@pytest.mark.parametrize("refractory", [0, 9])
@pytest.mark.parametrize(("kind", "number"), CASES)
def test_anomalies_begin_at_the_rows_where_python_has_them(
    kind: str, number: int, refractory: int, library: Path
) -> None:
    learnt, seen, scores = fitted(kind, number)
    name, _, threshold = written(kind, number, refractory)
    there = _Timed(library / "all.so", name)
    anomaly = _Anomaly()
    reported = [
        (anomaly.row, anomaly.channel)
        for row, time in zip(seen, TIMES[600:], strict=True)
        if there.call("detect", row, time, ctypes.byref(anomaly))
    ]
    odd, wanted, free = scores >= threshold, [], 0
    for row in np.flatnonzero(odd).tolist():
        if row >= free if refractory else not (row and odd[row - 1]):
            wanted.append(row)
            free = row + 1 + refractory
    assert [row for row, _ in reported] == wanted and len(wanted) > 3
    running = detector(kind).start(learnt)
    blamed = {}
    for number_of, row in enumerate(seen):
        running.update(row[None], TIMES[600 + number_of : 601 + number_of])
        blamed[number_of] = running.blame()
    for row, channel in reported:
        assert blamed[row][channel] > 0.999 * blamed[row].max()


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_memory_is_what_the_header_says(kind: str, number: int, library: Path) -> None:
    need("gcc", "nm")
    name, files, _ = written(kind, number, 9)
    _memory(name, files, library)


@pytest.mark.parametrize(("samples", "step", "fits"), [(8, 3, True), (6, 9, True), (8, 4, False)])
def test_memory_of_windows_is_what_the_header_says(samples: int, step: int, fits: bool, tmp_path: Path) -> None:
    need("gcc", "nm")
    learnt, _, _ = fitted("robust", 1)
    files = write_detector_c99(
        "robust", learnt, name="w", columns=("a",), threshold=1.0,
        window=WindowSpec(samples=samples, step=step, rate=None), own_windows=fits,
    )  # fmt: skip
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    _memory("w", files, tmp_path)


def _memory(name: str, files: dict[str, str], library: Path) -> None:
    call(library, "gcc", "-std=c99", "-O0", "-c", f"{name}_detect.c")
    sizes = [line.split() for line in call(library, "nm", "-S", f"{name}_detect.o").splitlines()]
    match = re.search(r"Memory: (\d+) bytes of RAM.*; (\d+) of constants", files[f"{name}_detect.h"])
    assert match is not None
    inside = [f"{name}_net_context"] if f"{name}_net.h" in files else []
    whole, *net = sizes_of(library, f"{name}_detect.h", f"{name}_detect_context", *inside)
    assert whole - sum(net) == int(match[1])
    assert not [w for w in sizes if len(w) == 4 and w[2] in "bBdD"], "nothing is static"
    assert sum(int(w[1], 16) for w in sizes if len(w) == 4 and w[2] in "rR") == int(match[2])
    needed = {w[-1] for w in sizes if w[-2] == "U"}
    assert needed <= {"memcpy", "memmove", "memset", "sqrtf", "logf", "expf", "sqrt", f"{name}_net_predict"}


@pytest.mark.slow
def test_clang_takes_them_too(library: Path) -> None:
    need("clang")
    call(library, "clang", *WARNINGS, "-fsyntax-only", "all.c")


def test_a_form_in_c_is_of_a_detector() -> None:
    assert set(KINDS) <= set(listing(DETECTORS, "DETECTOR"))


def test_what_has_no_form_in_c_is_refused() -> None:
    learnt, _, _ = fitted("robust", 0)
    with pytest.raises(UnknownNameError, match="k_means"):
        write_detector_c99("wavelet", {}, name="d", columns=("a",), threshold=1.0)
    with pytest.raises(ExportError):
        write_detector_c99("robust", learnt, name="d", columns=tuple("abcd"), threshold=float("nan"))
    season, _, _ = fitted("robust", 2)
    for odd in (1e-7, 0.0000015, 1e15):
        with pytest.raises(ExportError):
            write_detector_c99("robust", {**season, "season": odd}, name="d", columns=tuple("abcd"), threshold=1.0)
    window = WindowSpec(samples=8, step=0, rate=None)
    with pytest.raises(ExportError):
        write_detector_c99("robust", learnt, name="d", columns=("a",), threshold=1.0, window=window)


def test_a_row_of_unknown_time_is_taken_as_python_takes_it(library: Path) -> None:
    for kind, number in (("robust", 2), ("own_past", 0)):
        learnt, seen, _ = fitted(kind, number)
        function = getattr(ctypes.CDLL(str(library / "all.so")), f"{kind}{number}_9_detect_score")
        function.restype = ctypes.c_float
        context = ctypes.create_string_buffer(1 << 20)
        getattr(ctypes.CDLL(str(library / "all.so")), f"{kind}{number}_9_detect_init")(context)
        scores_in_c = np.array([function(context, row.ctypes.data_as(ctypes.c_void_p)) for row in seen])
        scores = detector(kind).start(learnt).update(seen, np.full(len(seen), np.nan))
        np.testing.assert_allclose(scores_in_c, scores, rtol=2e-4, atol=2e-4 * float(np.nanmedian(scores)))


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_a_broken_number_is_odd_and_soon_forgotten(kind: str, number: int, library: Path) -> None:
    learnt, seen, scores = fitted(kind, number)
    broken = np.nan_to_num(seen[:400].copy(), nan=1.0)
    broken[240, 2], broken[242, 1] = 3e38, -3.4e38
    wanted = detector(kind).start(learnt).update(broken, TIMES[600:1000])
    there = _Timed(library / "all.so", f"{kind}{number}_9")
    scores_in_c = np.array(
        [there.call("detect_score", row, time) for row, time in zip(broken, TIMES[600:], strict=False)]
    )
    before = 1.001 * np.nanmax(wanted[180:240])
    for row in (240, 242):
        assert (scores_in_c[row] > before) == (wanted[row] > before), "as odd as in Python"
    assert np.isfinite(scores_in_c[-60:]).all() or not np.isfinite(wanted[-60:]).all()
    if kind != "own_past":
        # A range that has once been that wide is as good as none, there and here.
        np.testing.assert_allclose(scores_in_c[-60:], wanted[-60:], rtol=2e-4, atol=2e-4 * float(np.nanmedian(scores)))


def test_an_autoencoder_may_be_of_floats(tmp_path: Path) -> None:
    need_compiler()
    learnt, seen, _ = fitted("autoencoder", 0)
    rng = np.random.default_rng(8)
    builder = Builder("net", (CHANNELS,))
    centred = builder.op("Sub", builder.input, builder.constant(np.asarray(learnt["mean"], np.float32)))
    value = builder.op("Mul", centred, builder.constant(np.asarray(1 / learnt["deviation"], np.float32)))
    builder.boundary(value)
    for a, b in ((CHANNELS, 3), (3, CHANNELS)):
        weights, bias = rng.normal(size=(a, b)).astype(np.float32), rng.normal(size=b).astype(np.float32)
        value = builder.op("Relu", builder.op("Gemm", value, builder.constant(weights), builder.constant(bias)))
    model = np.frombuffer(to_onnx(builder.finish({"prediction": (value, "float32", (CHANNELS,))})), np.uint8)
    floats = {**learnt, "model": model}
    files = write_detector_c99("autoencoder", floats, name="f", columns=tuple("abcd"), threshold=1.0)
    assert "float network" in files["f_net.h"]
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    command = (*compiler_command(), *WARNINGS, "-O1", "-shared", "-fPIC")
    call(tmp_path, *command, "f_detect.c", "f_net.c", "-o", "f.so", "-lm")
    there = _Timed(tmp_path / "f.so", "f")
    scores_in_c = np.array([there.call("detect_score", row, 0.0) for row in seen])
    wanted = detector("autoencoder").start(floats).update(seen, TIMES[600:])
    np.testing.assert_allclose(scores_in_c, wanted, rtol=2e-4, atol=2e-4 * float(np.nanmedian(wanted)))
