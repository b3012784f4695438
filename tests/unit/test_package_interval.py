"""The interval of a package: read and refused, the same ends in Python and in generated C, absent in older packages."""

from __future__ import annotations

import ctypes
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.core.archive import unpack
from edgewright.core.errors import PackageDamagedError
from edgewright.core.package import MANIFEST, around, package_bytes, parse_package, read_package, write_package
from edgewright.core.predictor import Predictor
from edgewright.core.records.package import IntervalSpec
from edgewright.export.c99_host.host import compile_c99
from edgewright.export.contract import read_subject
from edgewright.export.targets.c99 import TARGET
from runtime_example import INTERVAL, numbers, parts, window_parts


def test_a_package_without_an_interval_stays_as_it_was_byte_for_byte() -> None:
    manifest, files = window_parts()
    text = unpack(package_bytes(manifest, files), "level")[MANIFEST]
    assert b"interval" not in text
    answers = Predictor(parse_package(package_bytes(manifest, files), "level")).predict(numbers(3, 2, 8))
    assert answers.interval is None
    assert "(" not in answers._row(0)[1]


def test_predictions_come_with_the_interval_of_their_size(tmp_path: Path) -> None:
    manifest, files = window_parts()
    write_package(tmp_path / "level.edge", msgspec.structs.replace(manifest, interval=INTERVAL), files)
    predictor = Predictor(read_package(tmp_path / "level.edge"))
    samples = numbers(200, 2, 8)
    samples[7] = np.nan
    answers = predictor.predict(samples)
    assert answers.predictions is not None
    assert answers.interval is not None
    part = np.array([sum(one > edge for edge in INTERVAL.edges) for one in answers.predictions.tolist()])
    assert len(set(part.tolist())) == 4
    for side, added in enumerate((INTERVAL.low, INTERVAL.high)):
        expected = answers.predictions + np.asarray(added, np.float32)[part]
        np.testing.assert_array_equal(answers.interval[:, side], expected)
    assert np.isnan(answers.interval[7]).all()
    np.testing.assert_array_equal(answers.part(slice(3, 5)).interval, answers.interval[3:5])
    assert " to " in answers._row(0)[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": 1.5}, "a level between 0 and 1"),
        ({"low": (0.0,)}, "both ends of 4 parts"),
        ({"high": (1.0, 1.0, 1.0, -9.0)}, "lower ends below upper ones"),
        ({"edges": (0.5, 0.0, 1.0)}, "edges that rise"),
    ],
)
def test_an_interval_that_cannot_be_read_is_refused(change: dict[str, object], words: str) -> None:
    manifest, files = window_parts()
    broken = msgspec.structs.replace(INTERVAL, **change)
    with pytest.raises(PackageDamagedError):
        package_bytes(msgspec.structs.replace(manifest, interval=broken), files)


def test_labels_have_no_interval() -> None:
    manifest, files = parts()
    with pytest.raises(PackageDamagedError, match="an interval of amounts, got one of classification"):
        package_bytes(msgspec.structs.replace(manifest, interval=INTERVAL), files)


@pytest.mark.slow
@pytest.mark.parametrize("spec", [INTERVAL, IntervalSpec(level=0.8, edges=(), low=(-1.5,), high=(2.25,))])
def test_generated_c_gives_the_bits_of_python(tmp_path: Path, spec: IntervalSpec) -> None:
    manifest, files = window_parts()
    write_package(tmp_path / "level.edge", msgspec.structs.replace(manifest, interval=spec), files)
    subject = read_subject(tmp_path / "level.edge")
    sources = {name: data.decode() for name, data in TARGET.files(subject).items()}
    word = subject.word
    assert f"{word}_interval of {word}_interval.h" in TARGET.notes(subject)
    assert f"#define {word.upper()}_INTERVAL_LEVEL {spec.level}f" in sources[f"{word}_interval.h"]
    strict = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror")
    library = ctypes.CDLL(str(compile_c99(sources, tmp_path / "built", flags=strict)))
    function = getattr(library, f"{word}_interval")
    function.argtypes = [ctypes.c_float, *2 * (ctypes.POINTER(ctypes.c_float),)]
    predictions = np.concatenate([numbers(500), np.asarray([*spec.edges, np.nan, np.inf, -np.inf], np.float32)])
    for value, *ends in zip(predictions, *around(spec, predictions), strict=True):
        low, high = ctypes.c_float(), ctypes.c_float()
        function(value, low, high)
        np.testing.assert_array_equal(np.array([low.value, high.value], np.float32), np.asarray(ends, np.float32))
