"""Models compiled for this machine on demand: by whoever asks for an answer, with the base install alone."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

from edgewright.core.engines import MANY_ROWS
from edgewright.core.errors import CheckFailedError, EdgewrightError, OutputError
from edgewright.core.files import write_atomic
from edgewright.core.package import Package, read_package
from edgewright.core.prediction.objects import cache_folder, find_module, model_key
from edgewright.core.predictor import Predictor, package_path
from edgewright.export._extension.build import can_build, is_zig

# Longest time somebody who asks for an answer waits; ziglang makes parts of its library the first time.
_PATIENCE, _ZIG_PATIENCE = 20.0, 90.0
# Set to 'no', models are never compiled on demand.
_SETTING = "EDGEWRIGHT_COMPILE"


def ensure_extension(model: bytes, *, seconds: float | None = None) -> bool:
    """Compile a model on demand, where a compiler is here and `EDGEWRIGHT_COMPILE` is not 'no'.

    Never an error: where it cannot be, another engine answers.

    Args:
        model: ONNX bytes.
        seconds: longest time the compiler may take; 20, or 90 for ziglang, where it is not given.

    Returns:
        Whether the engine 'extension' can answer now.
    """
    if find_module(model) is not None:
        return True
    # What a compiler could not do in this time it is not asked again, each time somebody waits for an answer.
    given_up = cache_folder() / f"{model_key(model)}.failed"
    if os.environ.get(_SETTING, "") == "no" or not can_build() or given_up.exists():
        return False
    longest = seconds if seconds is not None else _ZIG_PATIENCE if is_zig() else _PATIENCE
    try:
        # The writer of C is loaded only where there is something to compile.
        importlib.import_module("edgewright.export._extension.model").build_model(model, seconds=longest)
    except CheckFailedError as error:
        _note(given_up, str(error))
    except EdgewrightError:
        return False
    return find_module(model) is not None


def load(path: str | Path, *, form: str | None = None, engine: str | None = None, rows: float = MANY_ROWS) -> Predictor:
    """Open a package, run its test vectors through the engine, and return the predictor.

    Where a C compiler is, the model is compiled for this machine the first time; without one, or where an engine is
    named, nothing is built.

    Args:
        path: a run folder or a `.edge` file.
        form: 'float' or 'int8'; the package's default when None.
        engine: a file of `core/engines`; the fastest for this model on this machine when None.
        rows: how many rows it is going to answer.

    Raises:
        InputError: damaged, altered, or of a newer format.
        CheckFailedError: the test vectors give other answers here.
    """
    return open_package(read_package(package_path(path)), form=form, engine=engine, rows=rows)


def open_package(
    package: Package, *, form: str | None = None, engine: str | None = None, rows: float = MANY_ROWS
) -> Predictor:
    """Return the predictor of a package that was read; arguments and errors as of `load`."""
    if engine is None:
        ensure_extension(package.model(form or package.manifest.default))
    return Predictor(package, form=form, engine=engine, rows=rows)


def _note(path: Path, text: str) -> None:
    try:
        write_atomic(path, text.encode())
    except OutputError:
        # A full disk: then it is tried again.
        return
