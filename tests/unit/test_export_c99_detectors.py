"""Detectors in generated C score as those of Python do, in float32, and tell anomalies at the same rows."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from c99_examples import WARNINGS, call, need
from edgewright.export._c_detector import write_detector_c99
from edgewright.runtime.catalogue import listing
from edgewright.runtime.detectors import kind as detector
from edgewright.schema.errors import InputError, UnknownNameError

Floats = NDArray[np.float32]
KINDS = listing("edgewright.export.c99_detectors", "WRITER")
# Settings that reach the corners of a detector; one that is not here is tried with none.
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "robust": [{}, {"mean": 7}],
    "pca": [{}, {"variance": 0.6}, {"mean": 5}],
    "half_space_trees": [{}, {"trees": 7, "depth": 3}],
    "k_means": [{"centres": 1}, {"centres": 6}],
    "union": [{"bins": 0}, {"bins": 0, "warm_up": 5, "fast": 0.3, "slow": 0.02}],
    "var": [{}, {"order": 1, "mean": 1}],
}
CASES = [(kind, number) for kind in KINDS for number in range(len(SETTINGS.get(kind, [{}])))]
CHANNELS = 4


class _Anomaly(ctypes.Structure):
    _fields_ = (("score", ctypes.c_float), ("channel", ctypes.c_int), ("row", ctypes.c_uint32))


def rows(n: int, seed: int) -> Floats:
    """Channels that go together, on levels of their own, with holes and a few odd stretches."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5, 0.2, 0.0], [0.0, 0.4, -0.7, 1.0]])
    values = base * [1.0, 20.0, 0.05, 3.0] + [0.0, 300.0, -1.0, 5.0] + 0.02 * rng.normal(size=(n, CHANNELS))
    for start in range(100, n, 90):
        values[start : start + 4, rng.integers(CHANNELS)] += 40.0
    values[rng.uniform(size=values.shape) < 0.03] = np.nan
    values[::50] = np.nan
    return np.asarray(values, np.float32)


def fitted(kind: str, number: int) -> tuple[dict[str, Any], Floats, NDArray[np.float64]]:
    """What a detector learnt, rows it has not seen, and their scores in Python."""
    made = detector(kind)
    learnt = made.fit(msgspec.convert(SETTINGS.get(kind, [{}])[number], made.config), rows(600, 1), np.arange(600.0))
    seen = rows(700, 2)
    return learnt, seen, made.start(learnt).update(seen, np.arange(700.0))


def written(kind: str, number: int, refractory: int) -> tuple[str, dict[str, str], float]:
    learnt, _, scores = fitted(kind, number)
    # Between two scores that are apart: neither changes its side with the last digit.
    known = np.unique(scores[np.isfinite(scores)])
    place = int(np.searchsorted(known, np.nanquantile(scores, 0.9)))
    place += int(np.diff(known[place : place + 9]).argmax())
    name, threshold = f"{kind}{number}_{refractory}", float(known[place : place + 2].mean())
    files = write_detector_c99(
        kind, learnt, name=name, columns=tuple("abcd"), threshold=threshold, refractory=refractory
    )
    return name, files, threshold


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them in one shared object, beside their sources."""
    need("gcc")
    folder = tmp_path_factory.mktemp("detectors")
    lines = []
    for kind, number in CASES:
        for refractory in (0, 9):
            for file, text in written(kind, number, refractory)[1].items():
                (folder / file).write_text(text)
                lines += [f'#include "{file}"\n'] if file.endswith(".c") else []
    (folder / "all.c").write_text("".join(lines))
    checks = ("-fsanitize=undefined", "-fno-sanitize-recover=all", "-ffp-contract=off")
    call(folder, "gcc", *WARNINGS, "-O1", *checks, "-shared", "-fPIC", "all.c", "-o", "all.so", "-lm")
    return folder


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_scores_are_those_of_python_to_the_digits_of_float32(kind: str, number: int, library: Path) -> None:
    _, seen, scores = fitted(kind, number)
    function = getattr(ctypes.CDLL(str(library / "all.so")), f"{kind}{number}_0_detect_score")
    function.restype = ctypes.c_float
    found = np.array([function(row.ctypes.data_as(ctypes.c_void_p)) for row in seen])
    np.testing.assert_allclose(found, scores, rtol=2e-4, atol=2e-4 * float(np.nanmedian(scores)))
    assert (scores[::50] == 0).all() and (found[::50] == 0).all()


@pytest.mark.parametrize("refractory", [0, 9])
@pytest.mark.parametrize(("kind", "number"), CASES)
def test_anomalies_begin_at_the_rows_where_python_has_them(
    kind: str, number: int, refractory: int, library: Path
) -> None:
    learnt, seen, scores = fitted(kind, number)
    name, _, threshold = written(kind, number, refractory)
    loaded = ctypes.CDLL(str(library / "all.so"))
    getattr(loaded, f"{name}_detect_reset")()
    anomaly = _Anomaly()
    told = [
        (anomaly.row, anomaly.channel)
        for row in seen
        if getattr(loaded, f"{name}_detect")(row.ctypes.data_as(ctypes.c_void_p), ctypes.byref(anomaly))
    ]
    odd, wanted, free = scores >= threshold, [], 0
    for row in np.flatnonzero(odd).tolist():
        if row >= free if refractory else not (row and odd[row - 1]):
            wanted.append(row)
            free = row + 1 + refractory
    assert [row for row, _ in told] == wanted and len(wanted) > 3
    running = detector(kind).start(learnt)
    blamed = {}
    for number_of, row in enumerate(seen):
        running.update(row[None], np.array([float(number_of)]))
        blamed[number_of] = running.blame()
    for row, channel in told:
        assert blamed[row][channel] > 0.999 * blamed[row].max()


@pytest.mark.parametrize(("kind", "number"), CASES)
def test_memory_is_what_the_header_says(kind: str, number: int, library: Path) -> None:
    need("nm")
    name, files, _ = written(kind, number, 9)
    call(library, "gcc", "-std=c99", "-O0", "-c", f"{name}_detect.c")
    sizes = [line.split() for line in call(library, "nm", "-S", f"{name}_detect.o").splitlines()]
    said = re.search(r"Memory: (\d+) bytes of RAM, .*; (\d+) bytes of constants", files[f"{name}_detect.h"])
    assert said is not None
    assert sum(int(w[1], 16) for w in sizes if len(w) == 4 and w[2] in "bBdD") == int(said[1])
    assert sum(int(w[1], 16) for w in sizes if len(w) == 4 and w[2] in "rR") == int(said[2])
    assert {w[-1] for w in sizes if w[-2] == "U"} <= {"memcpy", "memmove", "memset", "sqrtf", "logf"}


@pytest.mark.slow
def test_clang_takes_them_too(library: Path) -> None:
    need("clang")
    call(library, "clang", *WARNINGS, "-fsyntax-only", "all.c")


def test_what_has_no_form_in_c_is_refused() -> None:
    learnt, _, _ = fitted("robust", 0)
    with pytest.raises(UnknownNameError, match="k_means"):
        write_detector_c99("spectral_residual", {}, name="d", columns=("a",), threshold=1.0)
    with pytest.raises(InputError, match="a threshold and rows"):
        write_detector_c99("robust", learnt, name="d", columns=tuple("abcd"), threshold=float("nan"))
    made = detector("robust")
    season = made.fit(msgspec.convert({"season": 60.0}, made.config), rows(600, 1), np.arange(600.0))
    trees = detector("half_space_trees")
    follows = trees.fit(msgspec.convert({"adapt": True}, trees.config), rows(600, 1), np.arange(600.0))
    with pytest.raises(InputError, match="adapt = false"):
        write_detector_c99("half_space_trees", follows, name="d", columns=tuple("abcd"), threshold=1.0)
    daily = detector("union")
    with pytest.raises(InputError, match="bins = 0"):
        whole = daily.fit(daily.config(), rows(60, 1), np.arange(60.0))
        write_detector_c99("union", whole, name="d", columns=tuple("abcd"), threshold=1.0)
    with pytest.raises(InputError, match="by the time of day"):
        write_detector_c99("robust", season, name="d", columns=tuple("abcd"), threshold=1.0)
