"""Generated C of every kind of export; some of their names are words of C++, which C allows."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np

from c99_examples import Files, everything
from c99_language_example import jumble, model
from denoiser_example import random_denoiser
from edgewright.export._c_detector import write_detector_c99
from edgewright.export.c99 import TARGET
from edgewright.export.c99_denoiser import write_denoiser_c99
from edgewright.export.c99_forecast import write_forecaster_c99
from edgewright.export.c99_language.dialogue import dialogue_files
from edgewright.export.c99_language.features import write_features_c99
from edgewright.export.c99_language.hear import hearing_files
from edgewright.export.contract import Stream, Subject
from edgewright.export.slots import slot_files
from edgewright.language.dialogue.check import read_dialogue
from edgewright.language.forecasting.choose import Asked, fit_forecaster
from edgewright.pipeline.detect_rows import Stretch
from edgewright.pipeline.detecting import learn
from edgewright.runtime.catalogue import listing
from edgewright.runtime.detector_file import detector_bytes
from edgewright.runtime.detectors import kind as detector
from edgewright.schema.data import Column
from edgewright.schema.detector import DetectorSpec, Threshold
from edgewright.schema.device import DecisionSpec
from edgewright.schema.package import WindowSpec
from integer_networks import small
from runtime_example import classifier, regressor
from support import ROOT

DETECTORS = listing("edgewright.runtime.detectors", "DETECTOR")
_SETTINGS = {"autoencoder": {"epochs": 2}, "half_space_trees": {"adapt": True, "window": 64, "trees": 3}}
WORDS = ("class", "or", "new", "namespace")
"""Names of columns and labels that are words of C++."""


KINDS = (
    *("examples", "rows", "windows", "language", "features", "dialogue", "denoiser", "boards"),
    *("forecast operator", "forecast template"),
    *(f"detector {kind}" for kind in DETECTORS),
)


@cache
def exports() -> dict[str, Files]:
    """What each kind of export writes, by a name for it."""
    language = model(jumble(1, 50))
    made = {
        "examples": {file: text for files in everything().values() for file, text in files.items()},
        **{f"detector {kind}": _detector(kind) for kind in DETECTORS},
        "rows": _files(Subject("and", classifier(), columns=_columns(10), stream=_stream(None, "walk", "or", "class"))),
        "windows": _files(_watched()),
        "language": hearing_files(read_dialogue(ROOT / "docs" / "examples" / "vending.toml")[0], *language, "not"),
        "features": write_features_c99(language[0], name="xor"),
        "dialogue": dialogue_files(read_dialogue(ROOT / "docs" / "examples" / "vending.toml")[0], "bitand"),
        "denoiser": write_denoiser_c99(random_denoiser(channels=2), name="this").files,
        "boards": {
            file: data.decode()
            for file, data in slot_files(Subject("compl", small("pools")), bytes(32)).items()
            if not file.endswith(".json")
        },
    }
    values = 5.0 + np.sin(np.arange(300) * 2 * np.pi / 12)
    for name, given in (("operator", values), ("template", np.exp(values + np.arange(300) / 99))):
        made[f"forecast {name}"] = write_forecaster_c99(fit_forecaster(given, Asked(6, (12,))), name=name)
    return made


def _columns(count: int) -> tuple[Column, ...]:
    names = (*WORDS, *(f"c{place}" for place in range(count)))
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
    """Windows with detectors of rows, of the model's windows and of windows of their own."""
    made = {}
    for name, cut in (("row", None), ("same", (8, 4)), ("own", (6, 9))):
        window = None if cut is None else WindowSpec(samples=cut[0], step=cut[1], rate=9.0)
        config = msgspec.convert({}, detector("robust").config)
        seen = _rows(2 if window is None else 8)
        learnt = learn("robust", config, (Stretch("", seen, np.arange(300.0)),))
        spec = DetectorSpec(
            kind="robust", config={}, columns=tuple(Column(name=word) for word in WORDS[:2]), window=window, rate=9.0,
            threshold=Threshold(value=1.0, by="given"), refractory=3,
        )  # fmt: skip
        made[name] = detector_bytes(spec, learnt)
    stream = _stream(WindowSpec(samples=8, step=4, rate=9.0))
    return Subject("export", regressor(), columns=_columns(2), stream=stream, detectors=made)
