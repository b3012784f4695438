"""Generated C of every kind of export; some of their names are words of C++, which C allows."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import msgspec
import numpy as np
from numpy.typing import NDArray

from c99_examples import Files, everything
from c99_language_example import jumble, model
from denoiser_example import random_denoiser
from edgewright.core.catalogue import listing
from edgewright.core.records.data import Column
from edgewright.core.records.device import DecisionSpec
from edgewright.core.records.package import WindowSpec
from edgewright.core.state_machine.table import CheckedTable
from edgewright.export.c99_code.linkable import write_interval_c99
from edgewright.export.c99_detectors._source import write_detector_c99
from edgewright.export.c99_language.dialogue import dialogue_files, hearing_files
from edgewright.export.c99_language.student import write_features_c99
from edgewright.export.c99_stream.detectors import write_forecaster_c99
from edgewright.export.c99_stream.stream import write_denoiser_c99
from edgewright.export.contract import Stream, Subject
from edgewright.export.slots import slot_files
from edgewright.export.targets.c99 import TARGET
from edgewright.language.dialogue.conversation import read_dialogue
from edgewright.language.forecasting.selection import ForecastRequest, fit_forecaster
from edgewright.monitor.detector_stream import detector_bytes
from edgewright.monitor.detectors import kind as detector
from edgewright.monitor.records import DetectorSpec, Threshold
from edgewright.nlp.records import LanguageSpec
from edgewright.nlp.utterance.parse import Arrays
from edgewright.workflows.detection.fit import learn
from edgewright.workflows.detection.rows import Stretch
from integer_networks import small
from runtime_example import INTERVAL, classifier, regressor
from support import ROOT

DETECTORS = listing("edgewright.monitor.detectors", "DETECTOR")
_SETTINGS = {"autoencoder": {"epochs": 2}}
WORDS = ("class", "or", "new", "namespace")
"""Names of columns and labels that are words of C++."""


@cache
def export(kind: str) -> Files:
    """Return what one kind of export writes: file name -> text."""
    return WRITERS[kind]()


def _examples() -> Files:
    return {file: text for files in everything().values() for file, text in files.items()}


def _language() -> Files:
    return hearing_files(_dialogue(), *_intents(), "not")


@cache
def _intents() -> tuple[LanguageSpec, Arrays]:
    return model(jumble(1, 50))


def _dialogue() -> CheckedTable:
    return read_dialogue(ROOT / "docs" / "examples" / "vending.toml")[0]


def _boards() -> Files:
    files = slot_files(Subject("compl", small("pools")), bytes(32))
    return {file: data.decode() for file, data in files.items() if not file.endswith(".json")}


def _forecast(name: str, values: NDArray[np.float64]) -> Files:
    return write_forecaster_c99(fit_forecaster(values, ForecastRequest(6, (12,))), name=name)


def _columns(count: int) -> tuple[Column, ...]:
    names = (*WORDS, *(f"c{index}" for index in range(count)))
    return tuple(Column(name=name, unit="\N{DEGREE SIGN}C", minimum=-1e6, maximum=1e6) for name in names[:count])


def _stream(window: WindowSpec | None, *labels: str) -> Stream:
    return Stream(
        window, labels, DecisionSpec(smoothing=2, debounce=2, alarms=labels[:2]) if labels else DecisionSpec()
    )


def _files(subject: Subject) -> Files:
    return {file: data.decode() for file, data in TARGET.files(subject).items()}


def _rows(channels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(3).normal(size=(300, channels)).astype(np.float32)


def _detector(kind: str) -> Files:
    config = msgspec.convert(_SETTINGS.get(kind, {}), detector(kind).config)
    learnt = learn(kind, config, (Stretch("", _rows(3), 1.7e9 + 600 * np.arange(300.0)),))
    return write_detector_c99(kind, learnt, name=f"of_{kind}", columns=WORDS[:3], threshold=1.0, refractory=2)


def _watched() -> Subject:
    """Return windows with detectors of rows, of the model's windows and of windows of their own."""
    detector_files = {}
    for name, cut in (("row", None), ("same", (8, 4)), ("own", (6, 9))):
        window = None if cut is None else WindowSpec(samples=cut[0], step=cut[1], rate=9.0)
        config = msgspec.convert({}, detector("robust").config)
        seen = _rows(2 if window is None else 8)
        learnt = learn("robust", config, (Stretch("", seen, np.arange(300.0)),))
        spec = DetectorSpec(
            kind="robust", config={}, columns=tuple(Column(name=word) for word in WORDS[:2]), window=window, rate=9.0,
            threshold=Threshold(value=1.0, by="given"), refractory=3,
        )  # fmt: skip
        detector_files[name] = detector_bytes(spec, learnt)
    stream = _stream(WindowSpec(samples=8, step=4, rate=9.0))
    return Subject("export", regressor(), columns=_columns(2), stream=stream, detectors=detector_files)


_SEASON = 5.0 + np.sin(np.arange(300) * 2 * np.pi / 12)
WRITERS: dict[str, Callable[[], Files]] = {
    "examples": _examples,
    "rows": lambda: _files(
        Subject("and", classifier(), columns=_columns(10), stream=_stream(None, "walk", "or", "class"))
    ),
    "windows": lambda: _files(_watched()),
    "language": _language,
    "features": lambda: write_features_c99(_intents()[0], name="xor"),
    "dialogue": lambda: dialogue_files(_dialogue(), "bitand"),
    "denoiser": lambda: write_denoiser_c99(random_denoiser(channels=2), name="this").files,
    "boards": _boards,
    "interval": lambda: write_interval_c99(INTERVAL, name="union"),
    "forecast operator": lambda: _forecast("operator", _SEASON),
    "forecast template": lambda: _forecast("template", np.exp(_SEASON + np.arange(300) / 99)),
    **{f"detector {kind}": partial(_detector, kind) for kind in DETECTORS},
}
"""Writer of each kind of export."""
