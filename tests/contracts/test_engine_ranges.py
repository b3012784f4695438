"""Declared input ranges: whichever engine answers a package, a value outside is a flag in the answer and no crash."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgewright.core import engines
from edgewright.core.engines import Engine
from edgewright.core.package import package_bytes, parse_package
from edgewright.core.predictor import Predictor
from edgewright.export._extension.build import can_build
from edgewright.export._extension.model import build_model
from runtime_example import parts
from support import left_out

# LiteRT takes .tflite files, which are no part of a package; `prove` flags their samples by the ranges of the model.
ENGINES = tuple(engine for engine in engines.known() if engine.name != "litert" and engine.available())


@pytest.mark.parametrize("engine", ENGINES, ids=lambda e: e.name)
def test_a_value_outside_its_range_is_flagged(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    manifest, files = parts()
    columns = tuple(msgspec.structs.replace(c, minimum=-50.0, maximum=50.0) for c in manifest.columns)
    package = parse_package(package_bytes(msgspec.structs.replace(manifest, columns=columns), files), "p.edge")
    if engine.name == "extension":
        if not can_build():
            left_out("no C compiler")
        build_model(package.model("float"))
    X = np.zeros((4, *package.manifest.shape), np.float32)
    X[1, 2], X[2, 0], X[3, 1] = 51, -1e30, np.nan
    answers = Predictor(package, form="float", engine=engine.name).predict(X)
    names = [column.name for column in columns]
    assert answers.out_of_range == ((), (names[2],), (names[0],), ())
    assert len(answers) == 4
