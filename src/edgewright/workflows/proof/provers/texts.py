"""The file of a model of text: chances of every symbol and completed words, in Python and in compiled C."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edgewright.nlp.texts.contract import SYMBOLS, TextModel, decode, encode, fold
from edgewright.nlp.texts.model_file import SPEC, model_of, read_text_arrays
from edgewright.nlp.texts.suggest import completion
from edgewright.proof.form import Stages
from edgewright.proof.stream import Rule, StreamSubject
from edgewright.schema.errors import InputError
from edgewright.schema.proof import ProofRecord
from edgewright.workflows.proof.c_calls import in_child, prove_compiled
from edgewright.workflows.proof.provers import ProofRequest, Prover

_NAME = "text"
CHANCES, WORDS = "chances", "words"
_RANKS = 3
# No text, signs alone, a line end, and more than any context holds.
_ODD_TEXTS = ("", "\n", "???", "a b c " * 60, "Zz'9", "0123456789 ", "~" * 40)


def prove_text(request: ProofRequest) -> ProofRecord:
    """Compare what follows every beginning of the texts.

    Raises:
        InputError: a file that is no model of text, or one whose texts cannot be read.
    """
    spec, arrays = read_text_arrays(request.path)
    model = model_of(spec.kind, arrays, str(request.path))
    writer: Any = importlib.import_module("edgewright.export.c99_language.texts")
    files = {name: data.decode() for name, data in writer.text_files(spec.kind, arrays, _NAME).items()}
    files = dict(request.changed(files))
    probe: Any = importlib.import_module("edgewright.export.c99_host.probe")
    begun, source = _beginnings([vector.text for vector in spec.vectors], request)
    chances = np.array([_after(model, text) for text in begun])

    def run(command: str) -> tuple[Stages, Stages]:
        model = probe.CText(files, _NAME, command)

        def both() -> tuple[Stages, Stages]:
            # Chances have a tolerance, so Python completes words from those of C.
            expected = {CHANCES: chances, WORDS: _words(begun, lambda text, rank: completion(model, text, rank))}
            given = np.array([model.probabilities(text) for text in begun])
            return expected, {CHANCES: given, WORDS: _words(begun, model.completion)}

        return in_child(both)

    about = StreamSubject(
        name=spec.name,
        path=str(request.path),
        source=source,
        origins=tuple(f"beginning {number + 1} ({text[-20:]!r})" for number, text in enumerate(begun)),
        reference="Python",
        numbers="float",
        rules={
            CHANCES: Rule("float32 against float64: relative 2e-4", relative=2e-4, absolute=1e-6),
            WORDS: Rule("the same words of the same chances", numbers="label"),
        },
        names={
            CHANCES: tuple(f"of {decode(symbol)!r}" for symbol in range(SYMBOLS)),
            WORDS: tuple(f"word of rank {rank}" for rank in range(_RANKS)),
        },
        shape=(1,),
    )
    return prove_compiled(about, run)


def _after(model: TextModel, text: str) -> Any:  # noqa: ANN401 - an array of the model
    state = model.start()
    for symbol in encode(text).tolist():
        state = model.step(state, symbol)
    return model.probabilities(state)


def _words(texts: list[str], complete: Callable[[str, int], str]) -> Any:  # noqa: ANN401 - an array
    """Checksums of completions, shape (texts, ranks)."""
    return np.array([[float(zlib.crc32(complete(text, rank).encode())) for rank in range(_RANKS)] for text in texts])


def _beginnings(own: list[str], request: ProofRequest) -> tuple[list[str], str]:
    """Return every beginning of the model's own texts, and made ones; or the lines of a file."""
    if request.data:
        try:
            lines = Path(request.data).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError("a text file", str(error), request.data) from None
        return [fold(line) for line in lines][: request.rows] or [""], f"lines of {request.data}"
    every = [text[:end] for text in own for end in range(1, len(text) + 1)]
    return [*_ODD_TEXTS, *every][: request.rows], "every beginning of its own texts, and made ones"


PROVER = Prover(SPEC, prove_text)
