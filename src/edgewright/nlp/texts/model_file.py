"""The file of a model of text: a sealed archive that is believed only when it gives its own test vectors again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.files import write_atomic
from edgewright.nlp.texts.contract import TextModel, encode
from edgewright.nlp.texts.gru import GruModel, check_shapes
from edgewright.nlp.texts.ngram import NgramModel
from edgewright.schema.errors import InputError
from edgewright.schema.language import TEXT_VERSION, TextSpec

SPEC = "text.json"
# Floats of a network may differ by their order of addition on another processor.
_TOLERANCE = 1e-3
_DAMAGED = "Download the file again; it was damaged or changed"
_MAKE = "Make one with: edgewright language train-text TEXTS --out MODEL"
Arrays = dict[str, NDArray[Any]]


def write_text_model(path: Path, spec: TextSpec, arrays: Arrays) -> int:
    """Write a model's file and return its bytes.

    Raises:
        OutputError: it cannot be written.
    """
    whole = msgspec.structs.replace(spec, arrays=tuple(sorted(arrays)))
    return write_atomic(path, pack_parts(SPEC, whole, arrays))


def read_text_model(path: Path) -> tuple[TextSpec, TextModel]:
    """Read a model and prove it by its test vectors; errors as of `read_text_arrays`."""
    spec, arrays = read_text_arrays(path)
    return spec, model_of(spec.kind, arrays, str(path))


def read_text_arrays(path: Path) -> tuple[TextSpec, Arrays]:
    """Read the arrays of a model, which its test vectors have proven.

    Raises:
        InputError: missing, damaged, altered, of a newer format, or a model that gives another answer.
    """
    where = str(path)
    content = read_file(path, "the file of a model of text", absent=_MAKE, unread=_MAKE)
    spec, files = unpack_parts(content, where, SPEC, TextSpec, TEXT_VERSION, "model of text", _DAMAGED)
    arrays = unpack_arrays(files, spec.arrays, where, _DAMAGED)
    model = model_of(spec.kind, arrays, where)
    if not spec.vectors:
        raise InputError("test vectors in the model", "none", where, _DAMAGED)
    for vector in spec.vectors:
        if not abs(model.bits(encode(vector.text)) - vector.bits) <= _TOLERANCE:
            raise InputError(f"the model's own answer to {vector.text[:40]!r}", "another", where, _DAMAGED)
    return spec, arrays


def model_of(kind: str, arrays: Arrays, where: str) -> TextModel:
    """Return a model of its arrays.

    Raises:
        InputError: another kind, or arrays that do not fit together.
    """
    if kind == "gru" and check_shapes(arrays):
        return GruModel(arrays)
    if kind == "ngram" and _fits(arrays):
        return NgramModel(arrays)
    raise InputError("arrays of n-grams or of a GRU", f"others of the kind {kind!r}", where, _DAMAGED)


def _fits(arrays: Arrays) -> bool:
    order = sum(name.startswith("keys_") for name in arrays) - 1
    wanted = {f"keys_{n}": f"values_{n}" for n in range(order + 1)}
    wanted |= {f"contexts_{n}": f"shares_{n}" for n in range(1, order + 1)}
    return (
        0 <= order <= 8
        and set(arrays) == {*wanted, *wanted.values()}
        and all(
            arrays[keys].shape == arrays[values].shape
            and (arrays[keys].dtype, arrays[values].dtype) == (np.dtype(np.uint32), np.dtype(np.uint8))
            and bool((np.diff(arrays[keys].astype(np.int64)) >= 0).all())
            for keys, values in wanted.items()
        )
    )
