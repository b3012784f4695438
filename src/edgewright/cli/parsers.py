"""What parses utterances for a command: a trained model, or a language model with examples."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from edgewright.cli.command import own_language_model, own_model
from edgewright.cli.interrupt import loading
from edgewright.schema.errors import InputError

if TYPE_CHECKING:
    from edgewright.nlp.utterance.parse import Understands


def open_parser(model: Path, by: str | None, encoder: Path | None = None) -> AbstractContextManager[Understands]:
    """Return what parses: a trained model, or a language model that is served meanwhile.

    Args:
        model: file of `language train`; of utterances for a language model.
        by: name or file of the language model, if one parses.
        encoder: of a model that was trained with --for gateway.

    Raises:
        InputError: a file that cannot be read, or `by` and `encoder`.
    """
    if by is not None:
        if encoder is not None:
            raise InputError("--by or --encoder", "both", "--by")
        language_model = own_language_model(by, "--by")
        with loading():
            from edgewright.language.language_models.intents import language_model_parser
            from edgewright.language.utterances.read import read
        return language_model_parser(language_model, read(model), str(model))
    from edgewright.nlp.utterance.model_file import read_language
    from edgewright.nlp.utterance.parse import Understanding

    embedding = None
    spec, arrays = read_language(model)
    encoder = own_model("text", encoder, name=spec.head.encoder if spec.head else "")
    if encoder is not None:
        from edgewright.language.embedding import load

        embedding = load(encoder)
    return nullcontext(Understanding(spec, arrays, str(model), embedding))
