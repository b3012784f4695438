"""A model as a CPython module compiled for this machine, kept in a cache that the engine 'extension' reads."""

from __future__ import annotations

import importlib.machinery
from pathlib import Path

from edgewright.core.errors import CompilerMissingError
from edgewright.core.integer.network import marked, rounding_of
from edgewright.core.onnx.reader import read_onnx
from edgewright.core.prediction.objects import MODULE
from edgewright.core.records.network import Graph
from edgewright.export._extension.build import HOW_TO_BUILD, can_build
from edgewright.export._extension.model import SECONDS, build_model, compose
from edgewright.export.contract import Subject, Target
from edgewright.graph.onnx_writer import to_onnx


def build_extension(model: Graph | bytes, *, cache: Path | None = None, seconds: float = SECONDS) -> Path:
    """Compile a graph or ONNX bytes for this machine, as `_extension.model.build_model` does for bytes."""
    return build_model(to_onnx(model) if isinstance(model, Graph) else model, cache=cache, seconds=seconds)


def model_bytes(subject: Subject) -> bytes:
    """Return the ONNX bytes of what is compiled, by which engines find it."""
    # Engines look for what was compiled from a package's own bytes: another writing of the same graph is not found.
    if subject.model and (subject.form != "int8" or subject.rounding == rounding_of(subject.graph)):
        return subject.model
    return to_onnx(marked(subject.graph, subject.rounding) if subject.form == "int8" else subject.graph)


def _need_compiler() -> None:
    if not can_build():
        # Here a module is asked for by name; `predict` goes on without one.
        raise CompilerMissingError(
            "a C compiler", "none on this machine", "--to extension",
            f"Install one ({HOW_TO_BUILD}), or export --to c99",
        )  # fmt: skip


def _check(subject: Subject) -> None:
    _need_compiler()
    compose(read_onnx(model_bytes(subject)))


def _files(subject: Subject) -> dict[str, bytes]:
    # Python finds a module by its name, which every compiled model has in common: the folder tells them apart.
    _need_compiler()
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    return {f"{MODULE}{suffix}": build_extension(model_bytes(subject)).read_bytes()}


TARGET = Target(
    description="a CPython module compiled for this machine",
    files=_files,
    check=_check,
    networks=False,
)
