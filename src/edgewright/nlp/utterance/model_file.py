"""The file of a language model: a sealed archive that is believed only when it gives its own test vectors again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgewright.core.archive import pack_parts, read_file, unpack_arrays, unpack_parts
from edgewright.core.files import write_atomic
from edgewright.nlp.utterance.head import STEP, TOLERANCE, Encodes, Head
from edgewright.nlp.utterance.student import Student
from edgewright.nlp.utterance.tagger import Tagger
from edgewright.schema.errors import InputError
from edgewright.schema.language import LANGUAGE_VERSION, OUT_OF_SCOPE, LanguageSpec

SPEC = "language.json"
_DAMAGED = "Download the file again; it was damaged or changed"
_MAKE = "Make one with: edgewright language train UTTERANCES --out MODEL"
Arrays = dict[str, NDArray[Any]]


def language_bytes(spec: LanguageSpec, arrays: Arrays) -> bytes:
    """Return the bytes of a model's file; the same model gives the same bytes.

    Args:
        spec: its `arrays` are filled in here.
        arrays: of the student, and of the tagger with `tagger_` before their names.
    """
    whole = msgspec.structs.replace(spec, arrays=tuple(sorted(arrays)))
    return pack_parts(SPEC, whole, arrays)


def write_language(path: Path, spec: LanguageSpec, arrays: Arrays) -> int:
    """Write a model's file and give its length in bytes.

    Raises:
        OutputError: it cannot be written.
    """
    return write_atomic(path, language_bytes(spec, arrays))


def read_language(path: Path) -> tuple[LanguageSpec, Arrays]:
    """Read and check a model's file; `Understanding` proves it.

    Raises:
        InputError: missing, damaged, altered, too large, or of a newer format.
    """
    return parse_language(read_file(path, "the file of a language model", absent=_MAKE, unread=_MAKE), str(path))


def parse_language(data: bytes, where: str) -> tuple[LanguageSpec, Arrays]:
    """Read a language model from bytes; `where` names them in messages."""
    spec, files = unpack_parts(data, where, SPEC, LanguageSpec, LANGUAGE_VERSION, "language model", _DAMAGED)
    if len(set(spec.intents)) != len(spec.intents) or len(spec.intents) < 2 or OUT_OF_SCOPE in spec.intents:
        raise InputError("two or more intents, each once", str(len(spec.intents)), where, _DAMAGED)
    return spec, unpack_arrays(files, spec.arrays, where, _DAMAGED)


def form_of(spec: LanguageSpec, arrays: Arrays, where: str, encoder: Encodes | None) -> Student | Head:
    """Return the student, or the head on an encoder.

    Raises:
        InputError: neither of them, arrays that do not fit, a head without its encoder, or a student with one.
    """
    student = student_of(spec, arrays, where)
    if student is not None:
        if encoder is not None:
            raise InputError("no encoder, because this model reads words itself", "one", where, "Omit --encoder")
        return student
    if spec.head is None:
        raise InputError("a model with a student or a head", "one without", where)
    if encoder is None:
        raise InputError(
            f"the encoder {spec.head.encoder}, which this model needs", "none", where, "Set it with --encoder DIR"
        )
    return Head(spec.head, arrays, len(spec.intents), encoder, where)


def student_of(spec: LanguageSpec, arrays: Arrays, where: str) -> Student | None:
    """Return the student, where there is one.

    Raises:
        InputError: arrays that do not fit.
    """
    return None if spec.student is None else Student(spec.student, arrays, len(spec.intents), where)


def tagger_of(spec: LanguageSpec, arrays: Arrays, where: str) -> Tagger | None:
    """Return the slot tagger, where there is one; errors as of `student_of`."""
    if spec.tagger is None:
        return None
    begin = "tagger_"
    return Tagger(spec.tagger, {n[len(begin) :]: a for n, a in arrays.items() if n.startswith(begin)}, where)


def prove(spec: LanguageSpec, form: Student | Head, where: str) -> None:
    """Compute the test vectors: to the bit by a student, within `TOLERANCE` by a head.

    Raises:
        InputError: a logit differs, or there is no vector to prove it by.
    """
    if not spec.vectors:
        raise InputError("test vectors in the model", "none", where, _DAMAGED)
    allowed = round(TOLERANCE / STEP) if isinstance(form, Head) else 0
    for vector in spec.vectors:
        logits, wanted = form.logits(vector.text), np.array(vector.logits, np.int64)
        if logits.shape != wanted.shape or np.abs(logits - wanted).max() > allowed:
            do = "Use the encoder that it was trained with" if allowed else _DAMAGED
            raise InputError(f"the model's own answer to {vector.text[:40]!r}", "another", where, do)
