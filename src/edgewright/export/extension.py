"""A model as a CPython module compiled for this machine, kept in a cache that the engine 'extension' reads."""

from __future__ import annotations

import hashlib
import importlib.machinery
import os
from pathlib import Path

from edgewright.export._extension.build import can_build, compile_module, compiler, flags
from edgewright.export._extension.model import compose
from edgewright.export.contract import Subject, Target
from edgewright.graph.onnx_writer import to_onnx
from edgewright.runtime.load import package_path
from edgewright.runtime.native import MODULE, cache_folder, find_module, model_key
from edgewright.runtime.onnx_reader import read_onnx
from edgewright.runtime.package import read_package
from edgewright.runtime.predictor import Predictor
from edgewright.schema.errors import EdgewrightError, OutputError
from edgewright.schema.graph import Graph

_SECONDS = 60.0
# Longest time somebody who asks for an answer waits for the compiler.
_PATIENCE = 20.0
# Set to 'no', models are never compiled on demand.
_SETTING = "EDGEWRIGHT_COMPILE"


def build_extension(model: Graph | bytes, *, cache: Path | None = None, seconds: float = _SECONDS) -> Path:
    """Generates C for a model and compiles it, or finds what was compiled from the same sources before.

    Args:
        model: a graph, or the bytes of an ONNX model; the engine finds the module by these bytes.
        cache: instead of `XDG_CACHE_HOME`, or `~/.cache` where that is not set.
        seconds: longest time the compiler may take.

    Returns:
        Path of the compiled module.

    Raises:
        InputError: for a model that cannot be read or written as C.
        UnknownNameError: for an operator that has no C form.
        CheckFailedError: without a compiler, when it fails, or takes too long.
        OutputError: when the cache cannot be written.
    """
    data = to_onnx(model) if isinstance(model, Graph) else model
    files, main = compose(read_onnx(data))
    target = cache_folder(cache) / f"{model_key(data)}-{_content(files)}.so"
    if target.exists():
        # The newest is the one that is found.
        os.utime(target)
        return target
    _folder(target.parent)
    compile_module(files, main, target, seconds)
    return target


def ensure_extension(model: bytes, *, seconds: float = _PATIENCE) -> bool:
    """Compiles a model on demand, where a compiler is here and `EDGEWRIGHT_COMPILE` is not 'no'.

    Never an error: where it cannot be, another engine answers.

    Returns:
        Whether the engine 'extension' can answer now.
    """
    if find_module(model) is not None:
        return True
    if os.environ.get(_SETTING, "") == "no" or not can_build():
        return False
    try:
        build_extension(model, seconds=seconds)
    except EdgewrightError:
        return False
    return find_module(model) is not None


def load(place: str | Path, *, form: str | None = None, engine: str | None = None) -> Predictor:
    """Opens a package, runs its test vectors through the engine, and gives what answers.

    Where a C compiler is, the model is compiled for this machine the first time; without one, or where an engine is
    named, nothing is built.

    Args:
        place: a run folder or a `.edge` file.
        form: 'float' or 'int8'; the package's default when None.
        engine: a file of `runtime/engines`; the fastest when None.

    Raises:
        InputError: damaged, altered, or of a newer format.
        CheckFailedError: the test vectors give other answers here.
    """
    package = read_package(package_path(place))
    if engine is None:
        ensure_extension(package.model(form or package.manifest.default))
    return Predictor(package, form=form, engine=engine)


def _content(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256(" ".join((compiler() or "", *flags())).encode())
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:16]


def _folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OutputError("to make the cache", error.strerror or str(error), str(folder)) from None


def _files(subject: Subject) -> dict[str, bytes]:
    # Python finds a module by its name, which every compiled model has in common: the folder tells them apart.
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    return {f"{MODULE}{suffix}": build_extension(subject.graph).read_bytes()}


TARGET = Target(description="a CPython module compiled for this machine", files=_files)
